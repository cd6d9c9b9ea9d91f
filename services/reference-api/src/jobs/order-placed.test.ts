import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { startService, testDatabase, until } from '@reference/local-stack'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { createCall, startApi } from '../testing/test-api.ts'

interface Delivery {
  readonly key: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
  readonly event: any
}

type Answer = (response: ServerResponse, delivery: Delivery) => void

/** Receives events; `answer` decides the reply, 204 by default. */
async function receiver(t: Test) {
  const deliveries: Delivery[] = []
  const state: { answer: Answer } = { answer: (response) => response.writeHead(204).end() }
  const server = createServer(async (request: IncomingMessage, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const key = String(request.headers['idempotency-key'])
    const delivery = { key, event: JSON.parse(Buffer.concat(parts).toString()) }
    deliveries.push(delivery)
    state.answer(response, delivery)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { deliveries, state, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/events` }
}

const ORDER = { userId: 1, productId: 1, quantity: 2 }

t.test('each order sends one event with the order as it was placed', async (t) => {
  const { deliveries, url } = await receiver(t)
  const { call } = await startApi(t, { ORDER_EVENTS_URL: url }, { redis: false })
  const { body } = await call('POST', '/orders', { body: ORDER })
  await until('the event', () => deliveries.length === 1)
  const [{ key, event } = { key: '', event: {} }] = deliveries
  t.same(event, { id: key, type: 'order.placed', time: body.createdAt, data: body })
  t.match(await call('GET', `/jobs/${key}`), { status: 200 })
  await until('the job is done', async () => (await call('GET', `/jobs/${key}`)).body.state === 'completed')
})

t.test('an order that is refused or repeated sends none', async (t) => {
  const { deliveries, url } = await receiver(t)
  const { call, sql } = await startApi(t, { ORDER_EVENTS_URL: url }, { redis: false })
  const headers = { 'idempotency-key': 'once' }
  t.equal((await call('POST', '/orders', { body: { ...ORDER, productId: 2147483647 } })).status, 422)
  t.equal((await call('POST', '/orders', { body: ORDER, headers })).status, 201)
  t.equal((await call('POST', '/orders', { body: ORDER, headers })).status, 201)
  t.equal((await call('POST', '/orders', { body: { ...ORDER, quantity: 3 }, headers })).status, 422)
  await until('the event', () => deliveries.length === 1)
  const [{ count } = { count: 0 }] =
    await sql`select count(*)::int from pgboss.job where name = 'order-placed'`
  t.equal(count, 1, 'the queue holds no other')
})

t.test('an event is sent again until the receiver takes it, with the same id', async (t) => {
  const { deliveries, state, url } = await receiver(t)
  state.answer = (response) => {
    if (deliveries.length === 1) response.writeHead(503).end()
    else if (deliveries.length === 2) response.destroy()
    else response.writeHead(200).end('taken')
  }
  const { call } = await startApi(t, { ORDER_EVENTS_URL: url }, { redis: false })
  await call('POST', '/orders', { body: ORDER })
  await until('three deliveries', () => deliveries.length === 3, 30_000)
  t.equal(new Set(deliveries.map(({ key }) => key)).size, 1)
  const [{ key } = { key: '' }] = deliveries
  await until('the job is done', async () => (await call('GET', `/jobs/${key}`)).body.state === 'completed')
})

t.test('an event that the receiver refuses is not sent again, and stays as a dead letter', async (t) => {
  const { deliveries, state, url } = await receiver(t)
  state.answer = (response) => response.writeHead(400).end()
  const { call, sql } = await startApi(t, { ORDER_EVENTS_URL: url }, { redis: false })
  await call('POST', '/orders', { body: ORDER })
  await until('the event', () => deliveries.length === 1)
  const key = deliveries[0]?.key ?? ''
  await until('the job has failed', async () => (await call('GET', `/jobs/${key}`)).body.state === 'failed')
  const dead = await sql`select 1 from pgboss.job where name = 'dead-letter'`
  t.equal(dead.length, 1)
  t.equal(deliveries.length, 1)
})

t.test('without the setting an order stores no event, and there is no queue for it', async (t) => {
  const { call, sql } = await startApi(t, {}, { redis: false })
  t.equal((await call('POST', '/orders', { body: ORDER })).status, 201)
  t.same(await sql`select 1 from pgboss.queue where name = 'order-placed'`, [])
})

t.test(
  'the event of a worker that is killed while it delivers is sent by another',
  { timeout: 120_000 },
  async (t) => {
    const { deliveries, state, url } = await receiver(t)
    // The receiver has the event and does not answer: the worker cannot know that.
    state.answer = () => {}
    const { url: database } = await testDatabase(t)
    const environment = { DATABASE_URL: database, ORDER_EVENTS_URL: url }
    const api = startService(t, 'reference-api', { ...environment, JOB_HANDLERS: 'off' })
    const call = createCall(await api.listening())
    const first = startService(t, 'reference-worker', environment)
    await first.listening()
    const { status, body } = await call('POST', '/orders', { body: ORDER })
    t.equal(status, 201)
    await until('the event is delivered', () => deliveries.length === 1)
    await first.end('SIGKILL')

    state.answer = (response) => response.writeHead(204).end()
    const second = startService(t, 'reference-worker', environment)
    await second.listening()
    await until('it is delivered again', () => deliveries.length === 2, 60_000)
    const [one, two] = deliveries
    t.same(two, one, 'the same event under the same id')
    t.same(two?.event.data, body)
    await until(
      'the job is done',
      async () => (await call('GET', `/jobs/${one?.key}`)).body.state === 'completed',
    )
    const sql = postgres(database, { max: 1, onnotice: () => {} })
    t.equal((await sql`select 1 from orders where id = ${body.id}`).length, 1, 'one order')
    await sql.end()
  },
)
