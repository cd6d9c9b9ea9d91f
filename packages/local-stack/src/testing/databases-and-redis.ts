import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { prepareDatabase } from '../development-data.ts'
import { startPostgres, throwAwaySettings } from '../postgres.ts'
import { type RedisServer, startRedis } from '../redis.ts'
import { type RedisCluster, startRedisCluster } from '../redis-cluster.ts'

/** The part of a tap test that these functions need. */
export interface TestScope {
  teardown(fn: () => unknown): unknown
}

export interface TestDatabase {
  /** The database as its owner `reference`, as migrations get it. */
  url: string
  /** The same database as the role of the services, which may read and write rows; only of the template. */
  apiUrl: string
  /** The same database as a superuser. */
  superuserUrl: string
  name: string
  close(): Promise<void>
}

export interface TestDatabaseOptions {
  /** `template`: migrated and seeded (needs `pnpm test`, else it is made here); `empty`: no tables. */
  from?: 'template' | 'empty'
}

/**
 * A database of the test's own, dropped at its end. Under `pnpm test` it is copied from the seeded template of the
 * shared server (about 50 ms); a file that is run alone starts a server for itself at the first call.
 */
export async function testDatabase(t: TestScope, options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const { from = 'template' } = options
  const { superuserUrl, template } = await testServer()
  const name = `test_${randomBytes(6).toString('hex')}`
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= dropDatabase(superuserUrl, name)
    return closing
  }
  t.teardown(close)
  const source = from === 'template' ? await template() : 'template1'
  await copyDatabase(superuserUrl, source, name)
  return {
    url: ownerUrl(superuserUrl, name),
    apiUrl: apiUrl(superuserUrl, name),
    superuserUrl: withDatabase(superuserUrl, name),
    name,
    close,
  }
}

export interface TestRedis {
  url: string
  port: number
  /** Of the test's own server; undefined for the shared one, which no test may stop. */
  pid: number | undefined
  /** Own server only: ends it at once, as a crash would. */
  kill(): Promise<void>
  /** Own server only: stops answering without closing a connection, as a hung host does. */
  pause(): void
  resume(): void
  /** Own server only: starts it again, empty, on the same port; resolves when it answers. */
  restart(): Promise<void>
  close(): Promise<void>
}

export interface TestRedisOptions {
  /** A server that the test may kill and pause. Otherwise a shared one: use keys of the test's own. */
  own?: boolean
  settings?: Record<string, string>
}

/** A Redis for the test: the shared one of `pnpm test`, or its own. Fails with REDIS_MISSING without a Redis server. */
export async function testRedis(t: TestScope, options: TestRedisOptions = {}): Promise<TestRedis> {
  const { own = false, settings } = options
  const shared = own || settings !== undefined ? undefined : process.env.TEST_REDIS_URL
  if (shared !== undefined) return sharedRedis(shared)
  const start = (port?: number) =>
    startRedis({ ...(port === undefined ? {} : { port }), ...(settings === undefined ? {} : { settings }) })
  let server: RedisServer | undefined = await start()
  const { url, port } = server
  const close = async () => {
    await server?.stop()
    server = undefined
  }
  t.teardown(close)
  const signal = (name: NodeJS.Signals) => {
    if (server !== undefined) process.kill(server.pid, name)
  }
  return {
    url,
    port,
    get pid() {
      return server?.pid
    },
    kill: close,
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    restart: async () => {
      await close()
      server = await start(port)
    },
    close,
  }
}

function sharedRedis(url: string): TestRedis {
  const refuse = () => {
    throw new Error('This Redis is shared by all tests; ask for one with testRedis(t, { own: true })')
  }
  return {
    url,
    port: Number(new URL(url).port),
    pid: undefined,
    kill: refuse,
    pause: refuse,
    resume: refuse,
    restart: refuse,
    close: async () => {},
  }
}

/** A Redis Cluster of the test's own (three masters, three replicas), with each node's pid to kill or pause. */
export async function redisCluster(
  t: TestScope,
  options: { settings?: Record<string, string> } = {},
): Promise<RedisCluster> {
  const cluster = await startRedisCluster(options)
  t.teardown(() => cluster.stop())
  return cluster
}

/** Makes the database behind `from: 'template'`, in place of an older one: every migration and a few rows. */
export async function makeTemplate(superuserUrl: string, name: string): Promise<void> {
  await dropDatabase(superuserUrl, name)
  await withAdmin(superuserUrl, (sql) => sql.unsafe(`CREATE DATABASE ${name} OWNER reference`))
  const url = ownerUrl(superuserUrl, name)
  await prepareDatabase(url, templateRows, { apiUrl: apiUrl(superuserUrl, name) })
}

/** The name of the template under `pnpm test`. */
export const templateDatabase = 'template_seeded'

/** Row counts of a database made from the template. */
export const templateRows = { users: 1000, products: 100, orders: 5000 }

interface TestServer {
  superuserUrl: string
  template(): Promise<string>
}

// One server for all tests of a file that is run alone; its guard ends it with this process.
let own: Promise<TestServer> | undefined

function testServer(): Promise<TestServer> {
  const { TEST_DATABASE_URL: superuserUrl, TEST_TEMPLATE_DATABASE: name } = process.env
  if (superuserUrl === undefined || name === undefined) {
    own ??= startOwnServer()
    return own
  }
  return Promise.resolve({ superuserUrl, template: () => Promise.resolve(name) })
}

async function startOwnServer(): Promise<TestServer> {
  const { superuserUrl } = await startPostgres({ settings: { ...throwAwaySettings, max_connections: '400' } })
  let made: Promise<string> | undefined
  return {
    superuserUrl,
    template: () => {
      made ??= makeTemplate(superuserUrl, templateDatabase).then(() => templateDatabase)
      return made
    },
  }
}

/** Copies a database. TEMPLATE does not copy the settings of a role in that database, such as its time limits, so they are set again. */
async function copyDatabase(superuserUrl: string, source: string, name: string): Promise<void> {
  await withAdmin(superuserUrl, async (sql) => {
    await sql.unsafe(`CREATE DATABASE ${name} TEMPLATE ${source} OWNER reference`)
    const settings = await sql<{ line: string }[]>`
      SELECT format('ALTER ROLE %I IN DATABASE %I SET %I = %L', setrole::regrole::name, ${name}::text,
                    split_part(setting, '=', 1), substring(setting from position('=' in setting) + 1)) AS line
      FROM pg_db_role_setting, unnest(setconfig) AS setting
      WHERE setrole <> 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = ${source})`
    for (const { line } of settings) await sql.unsafe(line)
  })
}

async function withAdmin<T>(url: string, use: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return await use(sql)
  } finally {
    await sql.end()
  }
}

async function dropDatabase(url: string, name: string): Promise<void> {
  await withAdmin(url, (sql) => sql.unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`))
}

const withDatabase = (url: string, name: string): string =>
  Object.assign(new URL(url), { pathname: `/${name}` }).href

// The roles of a local stack have the same password.
const urlAs = (username: string) => (superuserUrl: string, name: string) =>
  Object.assign(new URL(withDatabase(superuserUrl, name)), { username }).href
const ownerUrl = urlAs('reference')
const apiUrl = urlAs('reference_api')
