export { DEAD_LETTER_QUEUE, defineJob, type JobDefinition, type JobOptions } from './definition.ts'
export {
  JobDataError,
  JobPermanentError,
  JobResultError,
  JobsUnavailableError,
  JobUnknownError,
  QueueUnknownError,
} from './errors.ts'
export {
  type ChangedJob,
  createJobs,
  type EnqueueOptions,
  type Jobs,
  type JobsLogger,
  type JobsOptions,
  type ListedJob,
  type ListOptions,
} from './jobs.ts'
export { type MigrateJobsOptions, migrateJobs } from './migrate.ts'
export type { JobState, JobStatus } from './status.ts'
export type { DeadLetterRef } from './store.ts'
export type { TracedJob } from './tracing.ts'
export type { JobContext, JobHandler, WorkOptions } from './worker.ts'
