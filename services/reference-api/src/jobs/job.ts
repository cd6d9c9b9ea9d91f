import type { Config } from '@reference/config'
import type { Database, Write } from '@reference/database'
import type { JobDefinition, JobHandler, Jobs, WorkOptions } from '@reference/jobs'
import type { Cached } from '@reference/shop'
import type { WorkerPool } from '@reference/threads'
import type { TSchema } from 'typebox'

/** The part of the service's context that handlers use. A job that changes a cached row does it with `write`, as a route does. */
export interface JobParts {
  readonly config: Config
  readonly jobs: Jobs
  readonly database: Database
  readonly workers: WorkerPool
  readonly cached: Cached
  readonly write: Write
}

/** A background job: what is stored for it, and what handles it. */
export interface Job {
  readonly definition: JobDefinition
  /** Registers the handler: this process takes the job from now on. */
  work(parts: JobParts): void
}

/**
 * @param handler makes the handler from the parts of the service
 * @param options how many jobs run at once in a process
 */
export function createJob<Data extends TSchema, Result extends TSchema>(
  definition: JobDefinition<Data, Result>,
  handler: (parts: JobParts) => JobHandler<Data, Result>,
  options: WorkOptions,
): Job {
  return {
    definition,
    work: (parts) => parts.jobs.work(definition, handler(parts), options),
  }
}
