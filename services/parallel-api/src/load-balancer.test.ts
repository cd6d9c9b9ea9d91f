import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { startService, type TestService, testDatabase, testRedis, until } from '@reference/local-stack'
import t from 'tap'
import { joinedNames, namesIn } from './testing/joined-names.ts'
import { lockTable, type Scope, startApi } from './testing/test-api.ts'

interface Replica {
  readonly port: number
  /** Client connections that are forwarded to it. */
  readonly open: Set<Socket>
  /** Connections in `open` whose last call has no answer yet. */
  readonly waiting: Set<Socket>
  /** The `x-request-id` of the calls that it received. */
  readonly requestIds: Set<string>
}

/** Forwards connections to the replicas in turn, and to the next replica when one refuses. */
async function startBalancer(t: Scope, origins: string[]): Promise<{ url: string; replicas: Replica[] }> {
  const replicas = origins.map((origin): Replica => {
    return { port: Number(new URL(origin).port), open: new Set(), waiting: new Set(), requestIds: new Set() }
  })
  let turn = 0

  function forward(client: Socket, attempts: number): void {
    const replica = replicas[turn++ % replicas.length]
    if (replica === undefined || attempts === 0) {
      client.destroy()
      return
    }
    const server = connect(replica.port, '127.0.0.1')
    const refused = () => forward(client, attempts - 1)
    server.once('error', refused)
    server.once('connect', () => {
      server.off('error', refused)
      server.on('error', () => {})
      replica.open.add(client)
      client.on('data', (bytes) => {
        replica.waiting.add(client)
        const [, id] = /^x-request-id: (.+)\r$/m.exec(bytes.toString('latin1')) ?? []
        if (id !== undefined) replica.requestIds.add(id)
      })
      server.on('data', () => replica.waiting.delete(client))
      server.on('close', () => {
        replica.open.delete(client)
        replica.waiting.delete(client)
        client.destroy()
      })
      client.on('close', () => server.destroy())
      client.pipe(server).pipe(client)
    })
  }

  const balancer = createServer((client) => {
    client.on('error', () => {})
    forward(client, replicas.length)
  })
  balancer.listen(0, '127.0.0.1')
  await once(balancer, 'listening')
  t.teardown(() => {
    balancer.close()
    for (const { open } of replicas) for (const socket of open) socket.destroy()
  })
  return { url: `http://127.0.0.1:${(balancer.address() as AddressInfo).port}`, replicas }
}

/** parallel-api, a load balancer, and two reference-apis as processes of their own. */
async function startAll(t: Scope) {
  const database = await testDatabase(t)
  const redis = await testRedis(t, { own: true })
  const environment = { DATABASE_URL: database.url, REDIS_URL: redis.url, LOG_LEVEL: 'info' }
  const services: TestService[] = []
  const origins: string[] = []
  // One after the other: two at the same time start too slowly on a busy machine.
  for (const _ of [1, 2]) {
    const service = startService(t, 'reference-api', environment)
    services.push(service)
    origins.push(await service.listening())
  }
  const { url, replicas } = await startBalancer(t, origins)
  const api = await startApi(t, { REDIS_URL: redis.url, UPSTREAM_URL: url }, { database })
  return { ...api, services, replicas }
}

t.test('/aggregate through a load balancer', async (t) => {
  const { get, sql, services, replicas } = await startAll(t)
  // At most 8 calls in flight, fewer than the retry budget has saved up: every failed call can be retried.
  const path = '/aggregate?limit=4'

  await t.test('joins the answers of several replicas', async (t) => {
    const { status, body } = await get('/aggregate?limit=100', { headers: { 'x-request-id': 'one-for-all' } })
    t.equal(status, 200)
    t.same(namesIn(body), await joinedNames(sql, 100))
    t.ok(
      replicas.every(({ open, requestIds }) => open.size > 0 && requestIds.has('one-for-all')),
      'both replicas received the request id of the caller, and their connections are kept',
    )
  })

  await t.test('a replica that is killed with a call in flight costs no answer', async (t) => {
    const { release } = await lockTable(sql, 'orders')
    const answer = get(path)
    const held = await until('a replica has the call', () => {
      const index = replicas.findIndex(({ waiting }) => waiting.size > 0)
      return index < 0 ? undefined : { replica: replicas[index], service: services[index] }
    })
    await held.service?.end('SIGKILL')
    await until('its connections are closed', () => held.replica?.open.size === 0)
    await release()
    const { status, body } = await answer
    t.equal(status, 200)
    t.equal(body.items.length, 4)
    t.match((await get('/metrics')).text, /^upstream_retries_total [1-9]/m)
    for (let call = 0; call < 20; call++) t.equal((await get(path)).status, 200)
  })
})
