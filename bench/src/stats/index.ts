export { mean, median, pairedEffect } from './effect.ts'
export { type Histogram, mergeHistograms, percentilesOf } from './histogram.ts'
