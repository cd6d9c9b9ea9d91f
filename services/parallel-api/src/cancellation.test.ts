import type { ServerResponse } from 'node:http'
import { testDatabase, until } from '@reference/local-stack'
import type { TestUpstream } from '@reference/upstream/testing'
import postgres from 'postgres'
import t from 'tap'
import { lockTable, type Scope, startApi, type TestApi } from './testing/test-api.ts'
import { startUpstream } from './testing/upstream.ts'

// Each call that fans out is ended early in each way, and the work that it left is counted: in the service, in the database
// server while the lock that held the statements is still taken, and at the upstream.

interface Left {
  /** Statements in the server, including waiting ones and idle transactions. */
  readonly queries: number
  /** Connections in use of the service's pools. */
  readonly taken: number
  /** Tasks in worker threads, running or queued. */
  readonly tasks: number
  /** Calls that the upstream has not answered; each has a socket open. */
  readonly calls: number
  /** Requests in flight, including the one that reads the metrics. */
  readonly requests: number
}

const NOTHING: Left = { queries: 0, taken: 0, tasks: 0, calls: 0, requests: 1 }

async function count({ get, runningQueries }: TestApi, upstream: TestUpstream): Promise<Left> {
  const { text } = await get('/metrics')
  const sum = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\d+)$`, 'gm'))].reduce(
      (total, [, value]) => total + Number(value),
      0,
    )
  return {
    queries: (await runningQueries()).length,
    taken: sum('db_pool_in_use'),
    tasks: sum('worker_pool_tasks'),
    calls: upstream.open(),
    requests: sum('http_requests_in_flight'),
  }
}

/** Below the 10 s after which an attempt to the upstream ends by itself. */
const CALLS_WITHIN_MS = 5_000
/** Below the 12 s of silence after which the pool gives up the connection of an uncancelled statement. */
const QUERIES_WITHIN_MS = 10_000
const STATEMENT_TIMEOUT = '60s'

const same = (left: Left) => JSON.stringify(left) === JSON.stringify(NOTHING)

interface Case {
  readonly path: string
  /** Makes the call wait. @returns a function that ends the wait */
  hold(api: TestApi, upstream: TestUpstream): Promise<() => Promise<void>>
  /** Makes another part of the call wait, which then can be made to fail. Undefined for a call with one part. */
  holdPart?(api: TestApi, upstream: TestUpstream): Promise<HeldPart>
}

interface HeldPart {
  /** Whether the service has started it. */
  waits(): Promise<boolean>
  fail(): Promise<void>
  release(): Promise<void>
}

const holdTable = async ({ sql }: TestApi) => (await lockTable(sql, 'orders')).release
const holdUpstream = async (_api: TestApi, { answers }: TestUpstream) => {
  answers.set('/users', () => {})
  return async () => {
    answers.clear()
  }
}

const cases: Case[] = [
  {
    path: '/all',
    hold: holdTable,
    holdPart: async ({ sql }) => {
      const { release } = await lockTable(sql, 'products')
      const waiting = () => sql<{ pid: number }[]>`
        select pid from pg_locks where relation = 'products'::regclass and not granted`
      return {
        waits: async () => (await waiting()).length === 1,
        fail: async () => {
          for (const { pid } of await waiting()) await sql`select pg_cancel_backend(${pid})`
        },
        release,
      }
    },
  },
  {
    path: '/aggregate',
    hold: holdUpstream,
    holdPart: async (_api, { answers }) => {
      const product = '/products/3'
      const held: ServerResponse[] = []
      answers.set(product, (response) => held.push(response))
      return {
        waits: async () => held.length === 1,
        fail: async () => {
          // The retry fails without waiting.
          answers.set(product, (response) => response.writeHead(500).end())
          for (const response of held) response.writeHead(500).end()
        },
        release: async () => {
          answers.delete(product)
        },
      }
    },
  },
  { path: '/report', hold: holdTable },
  { path: '/report?engine=sql', hold: holdTable },
]

const database = await testDatabase(t)
const admin = postgres(database.superuserUrl, { max: 1, onnotice: () => {} })
for (const url of [database.url, database.apiUrl]) {
  const { username } = new URL(url)
  await admin.unsafe(
    `alter role ${username} in database ${database.name} set statement_timeout = '${STATEMENT_TIMEOUT}'`,
  )
}
await admin.end()

async function start(t: Scope, deadlines = {}) {
  const upstream = await startUpstream(t)
  const api = await startApi(t, { UPSTREAM_URL: upstream.url }, { database, deadlines })
  return { api, upstream }
}

type Checks = Pick<typeof t, 'ok' | 'equal' | 'same'>

async function nothingIsLeft(t: Checks, api: TestApi, upstream: TestUpstream) {
  let left = await count(api, upstream)
  const isEmpty = async () => {
    left = await count(api, upstream)
    return same(left)
  }
  const withinMs = left.calls > 0 ? CALLS_WITHIN_MS : QUERIES_WITHIN_MS
  await until('nothing is left', isEmpty, withinMs).catch(() => {})
  t.same(left, NOTHING, { running: await api.runningQueries() })
}

/** Checks that the call has work in flight: otherwise `nothingIsLeft` would hold for a call that never started. */
async function isInFlight(t: Checks, path: string, api: TestApi, upstream: TestUpstream) {
  await until('the call waits', async () => (await api.lockWaits()) + upstream.open() > 0)
  const held = await count(api, upstream)
  t.ok(held.requests === 2 && held.queries + held.calls > 0, `${path} is in flight: ${JSON.stringify(held)}`)
  if (path === '/report') t.equal(held.tasks, 1)
  else if (path !== '/aggregate') t.ok(held.taken > 0)
}

for (const { path, hold, holdPart } of cases) {
  t.test(`${path}: nothing is left when the client has disconnected`, async (t) => {
    const { api, upstream } = await start(t)
    const release = await hold(api, upstream)
    const client = new AbortController()
    const answer = api.get(path, { signal: client.signal })
    await isInFlight(t, path, api, upstream)
    client.abort()
    await t.rejects(answer)
    await nothingIsLeft(t, api, upstream)
    await release()
    t.equal((await api.get(path)).status, 200, 'the service answers the next call')
  })

  t.test(`${path}: nothing is left past its deadline`, async (t) => {
    // Long enough to see the call in flight on a busy machine too, once the thread of the report has started.
    const short = path === '/aggregate' ? { aggregateMs: 3_000 } : { allMs: 3_000, reportMs: 3_000 }
    const { api, upstream } = await start(t, short)
    await until('a first call succeeds', async () => (await api.get(path)).status === 200)
    const release = await hold(api, upstream)
    const answer = api.get(path)
    await isInFlight(t, path, api, upstream)
    t.ok((await answer).status >= 502)
    await nothingIsLeft(t, api, upstream)
    await release()
    // Its deadline is short for a busy machine, too.
    await until('the service answers again', async () => (await api.get(path)).status === 200)
  })

  if (holdPart === undefined) continue
  t.test(`${path}: nothing is left when a part has failed`, async (t) => {
    const { api, upstream } = await start(t)
    const release = await hold(api, upstream)
    const part = await holdPart(api, upstream)
    const answer = api.get(path)
    await until('the part waits', part.waits)
    await isInFlight(t, path, api, upstream)
    await part.fail()
    t.equal((await answer).status, 502)
    await nothingIsLeft(t, api, upstream)
    await part.release()
    await release()
    t.equal((await api.get(path)).status, 200, 'the service answers the next call')
  })
}

t.test('/report: nothing is left when a connection of one of its lanes is terminated', async (t) => {
  const { api, upstream } = await start(t)
  const release = await holdTable(api)
  const answer = api.get('/report')
  await isInFlight(t, '/report', api, upstream)
  await api.sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name like 'parallel-api report%' and state <> 'idle'`
  t.match(await answer, { status: 503, body: { code: 'DB_UNAVAILABLE' } })
  await nothingIsLeft(t, api, upstream)
  await release()
  t.equal((await api.get('/report')).status, 200, 'the service answers the next call')
})
