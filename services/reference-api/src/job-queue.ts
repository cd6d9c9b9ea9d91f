import type { Config } from '@reference/config'
import { createIdempotencyStore, type Database } from '@reference/database'
import { createJobs, type Jobs, type JobsLogger } from '@reference/jobs'
import type { WorkerPool } from '@reference/threads'
import type { Registry } from 'prom-client'
import { createPurge, purgeIdempotencyKeys } from './jobs/housekeeping.ts'
import { createProcessData, processData } from './jobs/process-data.ts'

/** Every job of this service, the same in the API and in a worker process. */
export function createJobQueue(
  config: Config,
  { applicationName, logger, registry }: { applicationName: string; logger: JobsLogger; registry?: Registry },
): Jobs {
  return createJobs({
    databaseUrl: config.databaseUrl,
    directUrl: config.databaseDirectUrl,
    applicationName,
    definitions: [processData, purgeIdempotencyKeys],
    prepare: config.dbPrepare,
    // The rest is for requests in flight before, and for pools after it.
    drainTimeoutMs: config.shutdownTimeoutMs / 2,
    logger,
    attemptLog: config.requestLog,
    ...(registry && { registry }),
  })
}

/** From now on this process takes jobs from the queue. */
export function handleJobs(jobs: Jobs, { database, workers }: { database: Database; workers: WorkerPool }) {
  jobs.work(processData, createProcessData(workers), { concurrency: 10, batchSize: 10 })
  jobs.work(purgeIdempotencyKeys, createPurge(createIdempotencyStore(database)), { concurrency: 1 })
}
