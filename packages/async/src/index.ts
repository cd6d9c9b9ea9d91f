export { type AbortScope, type AbortScopeOptions, createAbortScope } from './abort-scope.ts'
export { abortable } from './abortable.ts'
export { AdaptiveLimit, type AdaptiveLimitOptions, type LatencySeries } from './adaptive-limit.ts'
export { Batcher, type BatcherOptions } from './batcher.ts'
export { coalesce } from './coalesce.ts'
export { type DeadlineOptions, settlesWithin, withDeadline } from './deadline.ts'
export { DeadlineError } from './deadline-error.ts'
export { type DelayOptions, delay } from './delay.ts'
export {
  type FailedPart,
  type FetchAllOptions,
  fetchAll,
  fetchPartial,
  type Part,
  PartFailedError,
  type Parts,
  type Results,
} from './fetch-all.ts'
export { createSemaphore, type Semaphore } from './semaphore.ts'
export { createSerialSingleFlight } from './serial-single-flight.ts'
export { createSharedReads } from './shared-reads.ts'
export type { SingleFlight } from './single-flight.ts'
export { TransientMap } from './transient-map.ts'
export { TransientSet } from './transient-set.ts'
export { type UntilOptions, until } from './until.ts'
