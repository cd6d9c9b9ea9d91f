import { testDatabase, until } from '@reference/local-stack'
import t from 'tap'

import { lockTable, type Scope, startApi, startUpstream, type TestApi, type TestUpstream } from './testing.ts'

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

const same = (left: Left) => JSON.stringify(left) === JSON.stringify(NOTHING)

interface Case {
  readonly path: string
  /** Makes the call wait for something that never comes; gives what lets it. */
  hold(api: TestApi, upstream: TestUpstream): Promise<() => Promise<void>>
  /** Breaks another of its parts; gives what mends it. Absent: the call has one part only. */
  fail?(api: TestApi, upstream: TestUpstream): Promise<() => Promise<void>>
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
    fail: async ({ sql }) => {
      await sql`alter table products rename to products_away`
      return async () => {
        await sql`alter table products_away rename to products`
      }
    },
  },
  {
    path: '/aggregate',
    hold: holdUpstream,
    fail: async (_api, { answers }) => {
      answers.set('/products/3', (response) => response.writeHead(500).end())
      return async () => {}
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

async function nothingIsLeft(
  t: { same(found: unknown, wanted: unknown): unknown },
  api: TestApi,
  upstream: TestUpstream,
) {
  let left: Left | undefined
  await until('nothing is left', async () => {
    left = await count(api, upstream)
    return same(left)
  }).catch(() => {})
  t.same(left, NOTHING)
}

for (const { path, hold, fail } of cases) {
  t.test(`${path}: nothing is left when the client has gone`, async (t) => {
    const { api, upstream } = await start(t)
    const release = await hold(api, upstream)
    const client = new AbortController()
    const answer = api.get(path, { signal: client.signal })
    await until('it waits', async () => (await api.lockWaits()) + upstream.open() > 0)
    const held = await count(api, upstream)
    t.ok(held.requests === 2 && held.queries + held.calls > 0, 'the count sees what is under way')
    if (path === '/report') t.equal(held.tasks, 1)
    else if (path !== '/aggregate') t.ok(held.taken > 0)
    client.abort()
    await t.rejects(answer)
    await nothingIsLeft(t, api, upstream)
    await release()
    t.equal((await api.get(path)).status, 200, 'and the service goes on')
  })

  t.test(`${path}: nothing is left past its deadline`, async (t) => {
    const short = path === '/aggregate' ? { aggregateMs: 300 } : { allMs: 300, reportMs: 300 }
    const { api, upstream } = await start(t, short)
    const release = await hold(api, upstream)
    t.ok((await api.get(path)).status >= 502)
    await nothingIsLeft(t, api, upstream)
    await release()
  })

  if (fail === undefined) continue
  t.test(`${path}: nothing is left when a part has failed`, async (t) => {
    const { api, upstream } = await start(t)
    const release = await hold(api, upstream)
    const mend = await fail(api, upstream)
    t.equal((await api.get(path)).status, 502)
    await nothingIsLeft(t, api, upstream)
    await mend()
    await release()
    t.equal((await api.get(path)).status, 200, 'and the service goes on')
  })
}

t.test('/report: nothing is left when one of its lanes is killed in the server', async (t) => {
  const { api, upstream } = await start(t)
  const release = await holdTable(api)
  const answer = api.get('/report')
  await until('it waits', async () => (await api.lockWaits()) === 1)
  await api.sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name like 'parallel-api report%' and state <> 'idle'`
  t.match(await answer, { status: 503, body: { code: 'DB_UNAVAILABLE' } })
  await nothingIsLeft(t, api, upstream)
  await release()
  t.equal((await api.get('/report')).status, 200, 'and the service goes on')
})
