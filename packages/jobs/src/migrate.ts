import { until } from '@reference/async'
import { PgBoss } from 'pg-boss'
import { createConnection } from './connection.ts'

/** The schema of pg-boss's tables. */
export const SCHEMA = 'pgboss'

const INDEX_TIMEOUT_MS = 600_000
const INDEX_POLL_MS = 250
const STOP_TIMEOUT_MS = 5_000

export interface MigrateJobsOptions {
  /** Past PgBouncer: migrations take locks and build indexes in a session of their own. */
  readonly directUrl: string
  /** Limit of the wait for indexes that are built in the background. Default 10 minutes. */
  readonly timeoutMs?: number
}

/**
 * Creates or upgrades the queue's tables (schema `pgboss`) under pg-boss's own advisory lock, so that any number of processes
 * may call it at once. Resolves when the indexes that are built in the background exist, too.
 *
 * @returns whether it changed the tables, and their version
 * @throws AppError `WAIT_TIMED_OUT` when the indexes do not exist within `timeoutMs`
 */
export async function migrateJobs({
  directUrl,
  timeoutMs = INDEX_TIMEOUT_MS,
}: MigrateJobsOptions): Promise<{ changed: boolean; version: number | null }> {
  const errors: Error[] = []
  const connection = createConnection({
    url: directUrl,
    applicationName: 'jobs-migrate',
    max: 2,
    prepare: false,
    statementTimeoutMs: timeoutMs,
    onError: (error) => errors.push(error),
  })
  const boss = new PgBoss({
    db: connection.db,
    schema: SCHEMA,
    migrate: true,
    supervise: false,
    schedule: false,
    registerInstance: false,
  })
  boss.on('error', (error) => errors.push(error))
  try {
    const before = (await boss.isInstalled()) ? await boss.schemaVersion() : null
    await boss.start()
    await until('the indexes of the job tables exist', () => areIndexesBuilt(boss, errors), {
      timeoutMs,
      intervalMs: INDEX_POLL_MS,
    })
    const version = await boss.schemaVersion()
    return { changed: version !== before, version }
  } finally {
    await boss.stop({ graceful: true, timeout: STOP_TIMEOUT_MS })
    await connection.close()
  }
}

async function areIndexesBuilt(boss: PgBoss, errors: readonly Error[]): Promise<boolean> {
  const summary = await boss.getBamStatus()
  if (summary.some(({ status }) => status === 'failed'))
    throw new Error('An index of the job tables could not be built.', { cause: errors[0] })
  return !summary.some(({ status }) => status === 'pending' || status === 'in_progress')
}
