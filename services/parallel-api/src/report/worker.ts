/** What the worker threads load: the two steps of a report that need the processor. No database, no HTTP. */
export { sumPart } from './sum.ts'
export { writeReport } from './write.ts'
