import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { until } from '@reference/local-stack'
import t from 'tap'
import { startApi, type TestApi } from './testing/test-api.ts'

// One connection, held by a write that waits for a lock: every other request waits for that connection.

const ORDER = JSON.stringify({ userId: 1, productId: 1, quantity: 1 })

/** Sends a request on a connection of its own. */
async function send({ origin }: TestApi, method: string, path: string, body = ''): Promise<Socket> {
  const { hostname, port } = new URL(origin)
  const socket = connect(Number(port), hostname).on('error', () => {})
  await once(socket, 'connect')
  const headers = `host: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n`
  socket.write(`${method} ${path} HTTP/1.1\r\n${headers}\r\n${body}`)
  return socket
}

const statusOf = async (socket: Socket) => {
  const [reply] = await once(socket, 'data')
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(String(reply))?.[1])
}

async function metric({ call }: TestApi, name: string): Promise<number> {
  const { raw } = await call('GET', '/metrics')
  return Number(
    String(raw)
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.split(' ')
      .at(-1),
  )
}

const WAITING = 'db_pool_waiting{pool="primary"}'
const countOrders = async ({ sql }: TestApi) =>
  (await sql<{ count: number }[]>`select count(*)::int as count from orders`)[0]?.count ?? 0

/** Runs `use` while the table of orders is locked; resolves when the lock is released. */
async function whileLocked(api: TestApi, use: () => Promise<void>): Promise<void> {
  await api.sql.begin(async (tx) => {
    await tx`lock table orders in access exclusive mode`
    await use()
  })
}

/** The first write has begun when it waits for the lock in the server. */
async function holdConnection(api: TestApi, sql: TestApi['sql']): Promise<Socket> {
  const first = await send(api, 'POST', '/orders', ORDER)
  await until('it waits for the lock', async () => {
    const [row] = await sql`
      select 1 from pg_locks join pg_class on pg_class.oid = relation
      where relname = 'orders' and not granted`
    return row !== undefined
  })
  return first
}

t.test('a write whose client left before its transaction began does not run', async (t) => {
  const api = await startApi(t, { DB_POOL_MAX: '1' }, { redis: false })
  const observer = (await startApi(t, {}, { redis: false, on: api })).sql
  const before = await countOrders(api)
  let replies: Promise<number[]> = Promise.resolve([])
  await whileLocked(api, async () => {
    const first = await holdConnection(api, observer)
    const leaving = await Promise.all([
      send(api, 'POST', '/orders', ORDER),
      send(api, 'POST', '/orders', ORDER),
      send(api, 'POST', '/users', JSON.stringify({ email: 'left@example.com', name: 'Left' })),
      send(api, 'PATCH', '/users/1', JSON.stringify({ name: 'Left' })),
      send(api, 'DELETE', '/users/2'),
      send(api, 'PUT', '/config/some.key', JSON.stringify({ value: 'left' })),
      send(api, 'POST', '/process-data', '{}'), // part:jobs
      send(api, 'GET', '/users?limit=3'),
      send(api, 'GET', '/products?limit=3'),
    ])
    const others = await metric(api, WAITING)
    const staying = await send(api, 'POST', '/orders', ORDER)
    await until('the last one waits', async () => (await metric(api, WAITING)) > others)
    const waiting = await metric(api, WAITING)
    for (const socket of leaving) socket.destroy()
    await until('the others have left the queue', async () => {
      return (await metric(api, WAITING)) <= waiting - leaving.length
    })
    replies = Promise.all([statusOf(first), statusOf(staying)])
  })
  t.same(await replies, [201, 201])
  t.equal(await countOrders(api), before + 2)
  const [left] = await api.sql`
    select (select count(*) from users where name = 'Left')::int as users,
      (select count(*) from users where id = 2)::int as deleted,
      (select count(*) from settings where key = 'some.key')::int as settings`
  t.same(left, { users: 0, deleted: 1, settings: 0 })
})

t.test('a write that has begun is completed although its client has left', async (t) => {
  const api = await startApi(t, { DB_POOL_MAX: '1' }, { redis: false })
  const observer = (await startApi(t, {}, { redis: false, on: api })).sql
  const before = await countOrders(api)
  await whileLocked(api, async () => {
    const first = await holdConnection(api, observer)
    first.destroy()
    await until('the service knows', async () => {
      return (await metric(api, 'http_concurrency_in_flight')) === 0
    })
  })
  await until('it is committed', async () => (await countOrders(api)) === before + 1)
  const { status } = await api.call('POST', '/orders', { body: JSON.parse(ORDER) })
  t.equal(status, 201, 'the connection is free again')
})
