import { loadConfig, settings } from '@reference/config'
import { type TestDatabase, testDatabase } from '@reference/local-stack'
import { SERVICES } from '@reference/shop/services'
import postgres from 'postgres'
import { createApp } from '../app.ts'
import type { Deadlines } from '../context.ts'
import { createGet, type Get } from './get.ts'

export type Scope = Parameters<typeof testDatabase>[0]

export interface TestApi {
  readonly origin: string
  readonly get: Get
  readonly database: TestDatabase
  /** The database as superuser, not through the service. */
  readonly sql: postgres.Sql
  /** The statements of the service that run or wait in the server. */
  runningQueries(): Promise<string[]>
  /** The number of the service's sessions that wait for a lock. */
  lockWaits(): Promise<number>
}

/** The service in this process, with its own database that has rows; both are removed when the test ends. */
export async function startApi(
  t: Scope,
  environment: Record<string, string> = {},
  { database: given, deadlines = {} }: { database?: TestDatabase; deadlines?: Partial<Deadlines> } = {},
): Promise<TestApi> {
  const database = given ?? (await testDatabase(t))
  const config = loadConfig(SERVICES['parallel-api'], {
    // As in production, a role that may only read and write rows.
    DATABASE_URL: database.apiUrl,
    UPSTREAM_URL: 'http://127.0.0.1:1',
    LOG_LEVEL: 'silent',
    WORKER_THREADS: '1',
    // On a busy machine a call takes longer than the usual 50 ms, and the read would go past the cache.
    REDIS_TIMEOUT_MS: '2000',
    ...switchesOfRun(),
    ...environment,
  })
  // Deadlines that a machine busy with other tests meets, and no refusals because the event loop is late.
  const patient = { allMs: 20_000, aggregateMs: 20_000, upstreamAttemptMs: 10_000 }
  const { app, close } = await createApp(config, {
    deadlines: { ...patient, ...deadlines },
    overload: { maxEventLoopDelayMs: 0 },
  })
  const sql = postgres(database.superuserUrl, { max: 5, onnotice: () => {} })
  t.teardown(async () => {
    // First, and at once: a test that has failed may hold a lock that the calls in flight wait for.
    await sql.end({ timeout: 1 })
    await app.close()
    await close()
  })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  const sessions = (condition: postgres.PendingQuery<postgres.Row[]>) => sql<{ query: string }[]>`
    select query from pg_stat_activity
    where datname = current_database() and application_name like 'parallel-api%' and ${condition}`
  return {
    origin,
    get: createGet(origin),
    database,
    sql,
    runningQueries: async () => (await sessions(sql`state <> 'idle'`)).map(({ query }) => query),
    lockWaits: async () => (await sessions(sql`wait_event_type = 'Lock'`)).length,
  }
}

/** Locks a table, so that other sessions cannot read it until `release`. */
export async function lockTable(sql: postgres.Sql, table: string): Promise<{ release(): Promise<void> }> {
  const locked = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  const transaction = sql.begin(async (tx) => {
    await tx`lock table ${tx(table)} in access exclusive mode`
    locked.resolve()
    await released.promise
  })
  await Promise.race([locked.promise, transaction])
  return {
    async release() {
      released.resolve()
      await transaction
    },
  }
}

/** Switches that a whole test run may turn off: `HTTP_FAST_PATH=off pnpm test services`. */
const SWITCHES_OF_RUN = ['HTTP_FAST_PATH', 'DB_BATCHING', 'SHARED_READS']

function switchesOfRun(): Record<string, string | undefined> {
  const known = SWITCHES_OF_RUN.filter((name) => name in settings)
  return Object.fromEntries(known.map((name) => [name, process.env[name]]))
}
