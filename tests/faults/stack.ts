import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  buildBundles,
  type FaultProxy,
  faultProxy,
  type PostgresServer,
  prepareDatabase,
  startPostgres,
  type TestRedis,
  type TestScope,
  testRedis,
  throwAwaySettings,
} from '@reference/local-stack'
import postgres from 'postgres'
import { Program } from './program.ts'

/** The servers, a proxy before each, and the services as processes. */
export interface FaultStack {
  readonly postgres: FaultProxy
  readonly redis: FaultProxy
  readonly upstream: FaultProxy
  readonly postgresServer: () => PostgresServer
  readonly redisServer: TestRedis
  /** As a superuser, past the proxy. */
  readonly sql: postgres.Sql
  readonly api: Program
  readonly parallel: Program
  readonly worker: Program
  readonly folder: string
  /** What the services use: through the proxy, without TLS. */
  readonly databaseUrl: string
  /** The addresses of the names that the services use; a name without one does not exist. */
  hosts(addresses: Readonly<Record<string, string>>): void
  /** Ends every process of Postgres without a checkpoint, and starts it again on the same data. */
  crashPostgres(): Promise<void>
}

/** Above what the services open: 3 processes with small pools, and the queue of each. */
const MAX_CONNECTIONS = 100
const POOL_MAX = '8'

export const HOSTS: Readonly<Record<string, string>> = {
  'db.fault.test': '127.0.0.1',
  'cache.fault.test': '127.0.0.1',
  'api.fault.test': '127.0.0.1',
}

export async function startFaultStack(t: TestScope): Promise<FaultStack> {
  const folder = mkdtempSync(join(tmpdir(), 'faults-'))
  // Postgres may run as another user, who must be able to enter the folder.
  chmodSync(folder, 0o711)
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  // A write that is acknowledged must outlive a crash of the server.
  const settings = {
    ...throwAwaySettings,
    synchronous_commit: 'on',
    max_connections: String(MAX_CONNECTIONS),
  }
  const dataDir = join(folder, 'data')
  let server = await startPostgres({ dataDir, settings })
  t.teardown(() => server.stop())
  await prepareDatabase(server.databaseUrl, { users: 1000, products: 100, orders: 3000 })
  const redisServer = await testRedis(t, { own: true })
  const database = new URL(server.databaseUrl)
  const postgresProxy = await faultProxy(t, server.port)
  const redis = await faultProxy(t, redisServer.port)
  const sql = postgres(Object.assign(new URL(server.superuserUrl), { pathname: database.pathname }).href, {
    max: 2,
    onnotice: () => {},
  })
  t.teardown(() => sql.end({ timeout: 1 }))

  const upstream = await faultProxy(t, 1)
  const environment = {
    DATABASE_URL: Object.assign(database, {
      hostname: 'db.fault.test',
      port: String(postgresProxy.port),
      search: '?sslmode=disable',
    }).href,
    REDIS_URL: `redis://cache.fault.test:${redis.port}`,
    UPSTREAM_URL: `http://api.fault.test:${upstream.port}`,
    DB_POOL_MAX: POOL_MAX,
    // As in docker-compose.prod.yml.
    DB_POOL_TIMEOUT_MS: '1500',
    WORKER_THREADS: '1',
    JOB_HANDLERS: 'off',
    DIAGNOSTICS_DIR: folder,
  }
  // A bundle starts in a third of the time.
  const bundles = join(folder, 'dist')
  await buildBundles({ folder: bundles })
  const program = (main: string) => new Program({ main: join(bundles, main), folder, environment })
  const programs = {
    api: program('reference-api/main.js'),
    parallel: program('parallel-api/main.js'),
    worker: program('reference-api/worker.js'),
  }
  const all = Object.values(programs)
  t.teardown(async () => {
    await Promise.all(all.map((each) => each.kill()))
  })
  for (const each of all) each.order({ hosts: HOSTS })
  await Promise.all(all.map((each) => each.start()))
  upstream.leadTo(programs.api.port)
  return {
    ...programs,
    postgres: postgresProxy,
    redis,
    upstream,
    postgresServer: () => server,
    redisServer,
    sql,
    folder,
    databaseUrl: environment.DATABASE_URL,
    hosts(addresses) {
      for (const each of all) each.order({ hosts: addresses })
    },
    async crashPostgres() {
      process.kill(server.pid, 'SIGQUIT')
      await server.exited
      await server.stop()
      server = await startPostgres({ dataDir, port: server.port, settings })
    },
  }
}
