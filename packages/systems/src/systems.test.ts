import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { loadConfig } from '@reference/config'
import { redisCluster, until } from '@reference/local-stack'
import t from 'tap'
import { allOn } from './fixtures/all.ts'
import { closedPort, hungPort } from './fixtures/ports.ts'
import { createSystems, type System, systemSettings } from './index.ts'

const API = { name: 'api', defaults: { PORT: 8000, DB_POOL_MAX: 30 } }

/** As health asks: with a code for its time limit. */
async function ask(system: System | undefined, limitMs = 1000): Promise<string> {
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(Object.assign(new Error('late'), { code: 'TIMEOUT' })), limitMs)
  try {
    await system?.check(limit.signal)
    return system === undefined ? 'no such row' : 'ok'
  } catch (error) {
    return (error as { code?: string }).code ?? `no code: ${error}`
  } finally {
    clearTimeout(timer)
  }
}

t.test('what is not configured has no row, and its client is not loaded', async (t) => {
  const systems = createSystems({})
  t.same([systems.dependencies, systems.nodes], [[], []])
  await systems.close()

  const loaded = async (options: string) => {
    const script = `
      const { createSystems } = await import(${JSON.stringify(import.meta.resolve('./index.ts'))})
      const systems = createSystems(${options})
      const before = clients()
      await Promise.allSettled([...systems.dependencies, ...systems.nodes].map((system) => system.check(AbortSignal.timeout(5000))))
      await systems.close()
      console.log(JSON.stringify({ before, after: clients() }))
      function clients() {
        const cache = process.getBuiltinModule('node:module').createRequire(process.cwd() + '/x').cache
        const found = ['mysql2', 'mongodb', 'amqplib', 'ioredis'].filter((name) =>
          Object.keys(cache).some((file) => file.includes('/node_modules/' + name + '/')))
        return found
      }`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
    return JSON.parse(stdout)
  }
  const port = await closedPort()
  t.same(await loaded('{}'), { before: [], after: [] })
  t.same(await loaded(JSON.stringify({ mysqlUrl: `mysql://app@127.0.0.1:${port}` })), {
    before: [],
    after: ['mysql2'],
  })
  const { before, after } = await loaded(JSON.stringify(allOn(port)))
  t.same([before, after.slice(0, 3)], [[], ['mysql2', 'mongodb', 'amqplib']])
})

t.test('settings decide the rows, with the thresholds of the guide', async (t) => {
  const config = loadConfig(API, {
    DATABASE_URL: 'postgres://app@pgbouncer:6432/app',
    DATABASE_DIRECT_URL: 'postgres://app@postgres/app',
    MYSQL_URL: 'mysql://app@mysql/app',
    MONGODB_URL: 'mongodb://mongo-1:27017,mongo-2:27017/app?replicaSet=rs0',
    RABBITMQ_URL: 'amqp://app@rabbitmq',
    VAULT_ADDR: 'https://vault:8200',
    REDIS_CLUSTER_NODES: 'redis-1:6379,redis-2:6379',
  })
  const systems = createSystems(systemSettings(config))
  t.same(
    systems.dependencies.map(({ name, thresholdMs, required }) => [name, thresholdMs, required]),
    [
      ['pgbouncer', 1000, false],
      ['mysql', 1000, false],
      ['mongodb', 1000, false],
      ['rabbitmq', 1000, false],
      ['vault', 200, false],
    ],
  )
  t.same(
    systems.nodes.map(({ name, thresholdMs }) => [name, thresholdMs]),
    [
      ['redis redis-1:6379', 500],
      ['redis redis-2:6379', 500],
    ],
  )
  await systems.close()
  const one = { DATABASE_URL: 'postgres://app@postgres/app', REDIS_URL: 'redis://redis' }
  const none = createSystems(systemSettings(loadConfig(API, one)))
  t.same([none.dependencies, none.nodes], [[], []])
})

t.test('a system that is away is told by its code, at once, each time', async (t) => {
  const systems = createSystems(allOn(await closedPort()))
  t.teardown(() => systems.close())
  for (const system of [...systems.dependencies, ...systems.nodes]) {
    // The first check loads the client, which takes a busy machine its time.
    t.equal(await ask(system, 10_000), 'ECONNREFUSED', system.name)
    t.equal(await ask(system, 10_000), 'ECONNREFUSED', system.name)
  }
})

t.test('a system that hangs costs its check the time limit, and leaves no connection open', async (t) => {
  const hung = await hungPort(t)
  const systems = createSystems(allOn(hung.port))
  t.teardown(() => systems.close())
  const rows = [...systems.dependencies, ...systems.nodes]
  const outcomes = await Promise.all(rows.map((system) => ask(system, 300)))
  t.same(
    outcomes,
    rows.map(() => 'TIMEOUT'),
  )
  await until('every connection is closed', () => hung.open() === 0)
})

t.test('a driver that gives up before the time limit says so', async (t) => {
  const hung = await hungPort(t)
  const { mongodbUrl, rabbitmqUrl } = allOn(hung.port)
  const systems = createSystems({ mongodbUrl, rabbitmqUrl })
  t.teardown(() => systems.close())
  t.same(await Promise.all(systems.dependencies.map((system) => ask(system, 20_000))), [
    'UNAVAILABLE',
    'ETIMEDOUT',
  ])
})

t.test('after close nothing is asked any more', async (t) => {
  const systems = createSystems(allOn(await closedPort()))
  await systems.close()
  for (const system of systems.dependencies) t.equal(await ask(system), 'CLOSED', system.name)
})

t.test('each node of a cluster has its row, and one that was killed is down alone', async (t) => {
  const cluster = await redisCluster(t)
  const systems = createSystems({ redisNodes: cluster })
  t.teardown(() => systems.close())
  const answers = () => Promise.all(systems.nodes.map((node) => ask(node, 5000)))
  t.same(await answers(), ['ok', 'ok', 'ok', 'ok', 'ok', 'ok'])
  process.kill(cluster.nodes[5]?.pid ?? 0, 'SIGKILL')
  await until('the killed node refuses', async () => (await ask(systems.nodes[5])) === 'ECONNREFUSED')
  t.same((await answers()).slice(0, 5), ['ok', 'ok', 'ok', 'ok', 'ok'])
})

t.test('Vault (a stub of its health call) is what it says it is, over one connection', async (t) => {
  let status = 200
  let connections = 0
  const paths = new Set<string | undefined>()
  const vault = createServer((request, response) => {
    paths.add(request.url)
    response.writeHead(status, { 'content-type': 'application/json' }).end('{}')
  }).listen(0, '127.0.0.1')
  vault.on('connection', () => connections++)
  await once(vault, 'listening')
  const { port } = vault.address() as AddressInfo
  t.teardown(() => vault.close())
  const systems = createSystems({ vaultAddress: `http://127.0.0.1:${port}` })
  t.teardown(() => systems.close())
  const [row] = systems.dependencies
  t.equal(await ask(row), 'ok')
  t.equal(await ask(row), 'ok')
  t.equal(connections, 1)
  t.same([...paths], ['/v1/sys/health?standbyok=true&perfstandbyok=true&drsecondarycode=200'])
  for (const [answer, code] of [
    [503, 'SEALED'],
    [501, 'NOT_INITIALIZED'],
    [500, 'HTTP_500'],
  ] as const) {
    status = answer
    t.equal(await ask(row), code)
  }
  status = 200
  t.equal(await ask(row), 'ok')
})
