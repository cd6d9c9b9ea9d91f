import { setTimeout as delay } from 'node:timers/promises'
import { PgBoss } from 'pg-boss'
import { createConnection } from './connection.ts'

export const SCHEMA = 'pgboss'

export type MigrateJobsOptions = {
  /** Past PgBouncer: migrations take locks and build indexes in a session of their own. */
  directUrl: string
  /** The limit on waiting for indexes that are built in the background. Default 10 minutes. */
  timeoutMs?: number
}

/**
 * Creates or upgrades the queue's tables (schema `pgboss`), under pg-boss's own advisory lock: any number of
 * processes may do it at once. Resolves when indexes built in the background are there as well.
 */
export async function migrateJobs({ directUrl, timeoutMs = 600_000 }: MigrateJobsOptions): Promise<void> {
  const faults: Error[] = []
  const connection = createConnection({
    url: directUrl,
    applicationName: 'jobs-migrate',
    max: 2,
    prepare: false,
    statementTimeoutMs: timeoutMs,
    onError: (error) => faults.push(error),
  })
  const boss = new PgBoss({
    db: connection.db,
    schema: SCHEMA,
    migrate: true,
    supervise: false,
    schedule: false,
    registerInstance: false,
  })
  boss.on('error', (error) => faults.push(error))
  try {
    await boss.start()
    await indexesBuilt(boss, timeoutMs, faults)
  } finally {
    await boss.stop({ graceful: true, timeout: 5_000 })
    await connection.close()
  }
}

async function indexesBuilt(boss: PgBoss, timeoutMs: number, faults: Error[]): Promise<void> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const summary = await boss.getBamStatus()
    if (summary.some(({ status }) => status === 'failed')) {
      throw new Error('An index of the job tables could not be built.', { cause: faults[0] })
    }
    if (!summary.some(({ status }) => status === 'pending' || status === 'in_progress')) return
    if (performance.now() > deadline) {
      throw new Error(`The indexes of the job tables were not built within ${timeoutMs} ms.`)
    }
    await delay(250)
  }
}
