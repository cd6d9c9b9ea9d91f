export { effectOfBoots, mean, median } from './effect.ts'
export { type Histogram, mergeHistograms, percentilesOf } from './histogram.ts'
export { studentQuantile } from './student-t.ts'
