import type { ServerResponse } from 'node:http'
import { testDatabase, until } from '@reference/local-stack'
import type { TestUpstream } from '@reference/upstream/testing'
import t from 'tap'
import { lockTable, type Scope, startApi, startUpstream, type TestApi } from './testing.ts'

// What ends a call early, for each call that fans out, and what is left of it: counted in the service, in the server of
// the database while the lock that held the statements is still there, and at the upstream.

interface Left {
  /** Statements in the server, also those that wait or are idle in a transaction. */
  readonly queries: number
  /** Connections of the service's pools that are taken. */
  readonly taken: number
  /** Tasks that run or wait in worker threads. */
  readonly tasks: number
  /** Calls that the upstream has not answered; each has a socket. */
  readonly calls: number
  /** Requests that the service works on, the one that asks included. */
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

/** Below what ends the work without being cancelled: 10 s of a statement (the role's limit) and of an attempt to the upstream. */
const WITHIN_MS = 5_000

const same = (left: Left) => JSON.stringify(left) === JSON.stringify(NOTHING)

interface Case {
  readonly path: string
  /** Makes the call wait for something that never comes; gives what lets it. */
  hold(api: TestApi, upstream: TestUpstream): Promise<() => Promise<void>>
  /** Holds another of its parts, which then can be made to fail. Absent: the call has one part only. */
  holdPart?(api: TestApi, upstream: TestUpstream): Promise<HeldPart>
}

interface HeldPart {
  /** Whether the service has begun it. */
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
          // The next attempt at once.
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

async function start(t: Scope, deadlines = {}) {
  const upstream = await startUpstream(t)
  const api = await startApi(t, { UPSTREAM_URL: upstream.url }, { database, deadlines })
  return { api, upstream }
}

type Checks = Pick<typeof t, 'ok' | 'equal' | 'same'>

async function nothingIsLeft(t: Checks, api: TestApi, upstream: TestUpstream) {
  let left: Left | undefined
  const looked = async () => {
    left = await count(api, upstream)
    return same(left)
  }
  await until('nothing is left', looked, WITHIN_MS).catch(() => {})
  t.same(left, NOTHING)
}

/** That there is something to be left: without it `nothingIsLeft` would hold for a call that never began. */
async function isUnderWay(t: Checks, path: string, api: TestApi, upstream: TestUpstream) {
  await until('it waits', async () => (await api.lockWaits()) + upstream.open() > 0)
  const held = await count(api, upstream)
  t.ok(held.requests === 2 && held.queries + held.calls > 0, `${path} is under way: ${JSON.stringify(held)}`)
  if (path === '/report') t.equal(held.tasks, 1)
  else if (path !== '/aggregate') t.ok(held.taken > 0)
}

for (const { path, hold, holdPart } of cases) {
  t.test(`${path}: nothing is left when the client has gone`, async (t) => {
    const { api, upstream } = await start(t)
    const release = await hold(api, upstream)
    const client = new AbortController()
    const answer = api.get(path, { signal: client.signal })
    await isUnderWay(t, path, api, upstream)
    client.abort()
    await t.rejects(answer)
    await nothingIsLeft(t, api, upstream)
    await release()
    t.equal((await api.get(path)).status, 200, 'and the service goes on')
  })

  t.test(`${path}: nothing is left past its deadline`, async (t) => {
    // Long enough to see the call in flight on a busy machine too, once the thread of the report has started.
    const short = path === '/aggregate' ? { aggregateMs: 3_000 } : { allMs: 3_000, reportMs: 3_000 }
    const { api, upstream } = await start(t, short)
    await until('a first call succeeds', async () => (await api.get(path)).status === 200)
    const release = await hold(api, upstream)
    const answer = api.get(path)
    await isUnderWay(t, path, api, upstream)
    t.ok((await answer).status >= 502)
    await nothingIsLeft(t, api, upstream)
    await release()
    t.equal((await api.get(path)).status, 200, 'and the service goes on')
  })

  if (holdPart === undefined) continue
  t.test(`${path}: nothing is left when a part has failed`, async (t) => {
    const { api, upstream } = await start(t)
    const release = await hold(api, upstream)
    const part = await holdPart(api, upstream)
    const answer = api.get(path)
    await until('the part waits', part.waits)
    await isUnderWay(t, path, api, upstream)
    await part.fail()
    t.equal((await answer).status, 502)
    await nothingIsLeft(t, api, upstream)
    await part.release()
    await release()
    t.equal((await api.get(path)).status, 200, 'and the service goes on')
  })
}

t.test('/report: nothing is left when one of its lanes is killed in the server', async (t) => {
  const { api, upstream } = await start(t)
  const release = await holdTable(api)
  const answer = api.get('/report')
  await isUnderWay(t, '/report', api, upstream)
  await api.sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name like 'parallel-api report%' and state <> 'idle'`
  t.match(await answer, { status: 503, body: { code: 'DB_UNAVAILABLE' } })
  await nothingIsLeft(t, api, upstream)
  await release()
  t.equal((await api.get('/report')).status, 200, 'and the service goes on')
})
