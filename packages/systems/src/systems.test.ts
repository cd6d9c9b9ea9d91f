import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { until } from '@reference/async'
import { loadConfig } from '@reference/config'
import { ask, closedPort, hungPort } from '@reference/probes/testing'
import t from 'tap'
import { createSystems, systemSettings } from './index.ts'
import { allSystemsOn } from './testing/all-systems.ts'

const API = { name: 'api', defaults: { PORT: 8000, DB_POOL_MAX: 30 } }

/** The clients that a process has loaded, before and after it checked each system of these options. */
async function clientsLoadedFor(options: object): Promise<{ before: string[]; after: string[] }> {
  const script = `
    const { createSystems } = await import(${JSON.stringify(import.meta.resolve('./index.ts'))})
    const systems = createSystems(${JSON.stringify(options)})
    const before = clients()
    await Promise.allSettled(systems.dependencies.map((system) => system.check(AbortSignal.timeout(5000))))
    await systems.close()
    console.log(JSON.stringify({ before, after: clients() }))
    function clients() {
      const cache = process.getBuiltinModule('node:module').createRequire(process.cwd() + '/x').cache
      return ['mysql2', 'mongodb', 'amqplib'].filter((name) =>
        Object.keys(cache).some((file) => file.includes('/node_modules/' + name + '/')))
    }`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  return JSON.parse(stdout)
}

t.test('a system that is not configured has no row, and its client is not loaded', async (t) => {
  const systems = createSystems({})
  t.same(systems.dependencies, [])
  await systems.close()

  const port = await closedPort()
  t.same(await clientsLoadedFor({}), { before: [], after: [] })
  // part:mysql
  t.same(await clientsLoadedFor({ mysqlUrl: `mysql://app@127.0.0.1:${port}` }), {
    before: [],
    after: ['mysql2'],
  })
  // end:mysql
  t.same(await clientsLoadedFor(allSystemsOn(port)), { before: [], after: ['mysql2', 'mongodb', 'amqplib'] })
})

t.test('settings decide the rows and their thresholds', async (t) => {
  const config = loadConfig(API, {
    DATABASE_URL: 'postgres://app@postgres/app',
    MYSQL_URL: 'mysql://app@mysql/app',
    MONGODB_URL: 'mongodb://mongo-1:27017,mongo-2:27017/app?replicaSet=rs0',
    RABBITMQ_URL: 'amqp://app@rabbitmq',
    VAULT_ADDR: 'https://vault:8200',
  })
  const systems = createSystems(systemSettings(config))
  t.same(
    systems.dependencies.map(({ name, thresholdMs, required }) => [name, thresholdMs, required]),
    [
      ['mysql', 1000, false],
      ['mongodb', 1000, false],
      ['rabbitmq', 1000, false],
      ['vault', 200, false],
    ],
  )
  await systems.close()
  const none = createSystems(systemSettings(loadConfig(API, { DATABASE_URL: 'postgres://app@postgres/app' })))
  t.same(none.dependencies, [])
})

t.test('an unavailable system fails each check at once, with a code', async (t) => {
  const systems = createSystems(allSystemsOn(await closedPort()))
  t.teardown(() => systems.close())
  for (const system of systems.dependencies) {
    // The first check loads the client, which takes seconds on a busy machine.
    t.equal(await ask(system, 10_000), 'ECONNREFUSED', system.name)
    t.equal(await ask(system, 10_000), 'ECONNREFUSED', system.name)
  }
})

t.test('a check of a system that hangs ends at its limit and leaves no connection open', async (t) => {
  const hung = await hungPort(t)
  const systems = createSystems(allSystemsOn(hung.port))
  t.teardown(() => systems.close())
  const outcomes = await Promise.all(systems.dependencies.map((system) => ask(system, 300)))
  t.same(
    outcomes,
    systems.dependencies.map(() => 'TIMEOUT'),
  )
  await until('every connection is closed', () => hung.open() === 0)
})

t.test('a driver that gives up before the limit reports its own reason', async (t) => {
  const hung = await hungPort(t)
  const reasons: Readonly<Record<string, string>> = {
    mongodb: 'UNAVAILABLE',
    rabbitmq: 'ETIMEDOUT',
  }
  const systems = createSystems(allSystemsOn(hung.port))
  t.teardown(() => systems.close())
  for (const system of systems.dependencies.filter(({ name }) => name in reasons))
    t.equal(await ask(system, 20_000), reasons[system.name], system.name)
})

t.test('after close every check fails', async (t) => {
  const systems = createSystems(allSystemsOn(await closedPort()))
  await systems.close()
  for (const system of systems.dependencies) t.equal(await ask(system), 'CLOSED', system.name)
})

t.test('the row of Vault follows its health endpoint (a stub), over one connection', async (t) => {
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
