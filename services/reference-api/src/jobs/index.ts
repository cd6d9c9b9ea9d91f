import type { Job } from './job.ts'
import { processDataJob } from './process-data.ts'
import { purgeIdempotencyKeysJob } from './purge-idempotency-keys.ts'

/** Every background job, the same in the API and in a worker process. */
export const JOBS: readonly Job[] = [processDataJob, purgeIdempotencyKeysJob]
