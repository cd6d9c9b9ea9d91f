import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { loadConfig } from '@reference/config'
import { type TestDatabase, testDatabase } from '@reference/local-stack'
import type { Order, Product, User } from '@reference/model'
import { startTestUpstream, type TestUpstream } from '@reference/upstream/testing'
import postgres from 'postgres'
import { createApp, type Deadlines } from './app.ts'

export type Scope = Parameters<typeof testDatabase>[0]

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The body read as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
  readonly body: any
}

export type Get = (
  path: string,
  options?: { headers?: Record<string, string>; signal?: AbortSignal },
) => Promise<Answer>

/** One GET on a connection of its own; aborting the signal closes the connection, as a client does that goes away. */
export function createGet(origin: string): Get {
  return async (path, { headers = {}, signal } = {}) => {
    const { hostname, port } = new URL(origin)
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const options = { hostname, port, path, headers, agent: false as const, ...(signal && { signal }) }
    httpRequest(options, (response) => {
      response.setEncoding('utf8')
      let text = ''
      response.on('data', (part: string) => {
        text += part
      })
      response.on('error', reject)
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          body: response.headers['content-type']?.includes('json') ? JSON.parse(text) : undefined,
        }),
      )
    })
      .on('error', reject)
      .end()
    return promise
  }
}

export interface TestApi {
  readonly origin: string
  readonly get: Get
  readonly database: TestDatabase
  /** The database, past the service, as superuser. */
  readonly sql: postgres.Sql
  /** The statements that the service is running in the server or waits with. */
  runningQueries(): Promise<string[]>
  /** How many of its sessions wait for a lock. */
  lockWaits(): Promise<number>
}

/** The service in this process, with a database of its own that has rows; all of it gone when the test ends. */
export async function startApi(
  t: Scope,
  environment: Record<string, string> = {},
  { database: given, deadlines = {} }: { database?: TestDatabase; deadlines?: Partial<Deadlines> } = {},
): Promise<TestApi> {
  const database = given ?? (await testDatabase(t))
  const config = loadConfig('parallel-api', {
    DATABASE_URL: database.url,
    UPSTREAM_URL: 'http://127.0.0.1:1',
    LOG_LEVEL: 'silent',
    WORKER_THREADS: '1',
    ...environment,
  })
  // Times that a machine busy with other tests keeps to; nor does it refuse calls because its loop is late.
  const patient = { allMs: 20_000, aggregateMs: 20_000, upstreamAttemptMs: 10_000 }
  const { app, close } = await createApp(config, {
    deadlines: { ...patient, ...deadlines },
    overload: { maxEventLoopDelayMs: 0 },
  })
  const sql = postgres(database.superuserUrl, { max: 5, onnotice: () => {} })
  t.teardown(async () => {
    await app.close()
    await close()
    await sql.end()
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

/** Keeps others from reading a table until `release`. */
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

/** What names an order that was joined: its id, its user's email, its product's name. */
export interface JoinedNames {
  readonly id: number
  readonly email: string
  readonly name: string
}

/** Of a body of `/aggregate`. */
export function namesIn(body: {
  items: { id: number; user: { email: string }; product: { name: string } }[]
}): JoinedNames[] {
  return body.items.map(({ id, user, product }) => ({ id, email: user.email, name: product.name }))
}

/** Of the newest orders, by the database itself; there must be as many. */
export async function joinedNames(sql: postgres.Sql, limit: number): Promise<JoinedNames[]> {
  const rows = await sql<JoinedNames[]>`
    select o.id, u.email, p.name from orders o join users u on u.id = o.user_id join products p on p.id = o.product_id
    order by o.created_at desc, o.id desc limit ${limit}`
  if (rows.length < limit) throw new Error(`There are ${rows.length} orders, not ${limit}`)
  return rows.map((row) => ({ ...row }))
}

/** An upstream of the test's own, with the rows of the reference-api: 30 orders of 10 users and 5 products. */
export function startUpstream(t: Scope): Promise<TestUpstream> {
  return startTestUpstream(t, rowAt)
}

export const upstreamOrder = (id: number): Order => ({
  id,
  userId: (id % 10) + 1,
  productId: (id % 5) + 1,
  quantity: 2,
  totalCents: 200 * ((id % 5) + 1),
  status: 'paid',
  createdAt: '2026-01-31T12:00:00.000Z',
})
export const upstreamUser = (id: number): User => ({
  id,
  email: `user${id}@example.com`,
  name: `User ${id} "Ü"`,
  createdAt: '2026-01-01T00:00:00.000Z',
})
export const upstreamProduct = (id: number): Product => ({
  id,
  name: `Product ${id}`,
  category: 'home',
  priceCents: 100 * id,
})

function rowAt(path: string): unknown {
  const { pathname, searchParams } = new URL(path, 'http://upstream')
  const [, table, id] = pathname.split('/')
  if (table === 'health') return { status: 'ok' }
  if (table === 'orders') {
    const limit = Math.min(30, Number(searchParams.get('limit')))
    return { items: Array.from({ length: limit }, (_, index) => upstreamOrder(30 - index)), next: null }
  }
  if (table === 'users' && Number(id) <= 10) return upstreamUser(Number(id))
  if (table === 'products' && Number(id) <= 5) return upstreamProduct(Number(id))
  return undefined
}
