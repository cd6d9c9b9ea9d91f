import type { Registry } from '@prometheus-io/client'
import type { JobDefinition } from './definition.ts'

export interface JobsLogger {
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}

export interface JobsOptions {
  /** May lead through PgBouncer in transaction mode. */
  readonly databaseUrl: string
  /** Past PgBouncer, for `migrate`. Default `databaseUrl`. */
  readonly directUrl?: string
  readonly applicationName: string
  /** Every job that this process enqueues, handles or reads. None: it may read all jobs in the database. */
  readonly definitions: readonly JobDefinition[]
  /** Connections of the queue's own pool. Default 5. */
  readonly poolMax?: number
  /** Prepare the statement that adds a job in the server: twice as fast. Off for PgBouncer below 1.21. Default true. */
  readonly prepare?: boolean
  /** How often to look for dead workers. Default 10; pg-boss's own default of 60 is too slow for the promise of 60 s. */
  readonly superviseIntervalSeconds?: number
  /** Whether this process looks for dead workers, enqueues cron jobs and deletes expired jobs. Default true. */
  readonly supervise?: boolean
  /** How long `close` waits for running handlers; they are then aborted and their jobs tried again. Default 20,000. */
  readonly drainTimeoutMs?: number
  readonly registry?: Registry
  readonly logger?: JobsLogger
  /** Log each attempt that has ended. Otherwise failures are logged, and attempts whose trace is kept. Default false. */
  readonly attemptLog?: boolean
}
