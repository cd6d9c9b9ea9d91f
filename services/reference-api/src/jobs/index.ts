import type { Config } from '@reference/config'
import type { Job } from './job.ts'
import { orderPlacedJob } from './order-placed.ts'
import { processDataJob } from './process-data.ts'
import { purgeIdempotencyKeysJob } from './purge-idempotency-keys.ts'

/**
 * Every background job, the same in the API and in a worker process. Each queue costs a process two statements a second, so that of a feature
 * that is off does not exist.
 */
export function jobsOf({ orderEventsUrl }: Pick<Config, 'orderEventsUrl'>): readonly Job[] {
  return [processDataJob, purgeIdempotencyKeysJob, ...(orderEventsUrl === undefined ? [] : [orderPlacedJob])]
}
