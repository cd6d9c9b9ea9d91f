import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError, type Environment, loadConfig, settings } from '@reference/config'
import { SERVICES } from '@reference/shop/services'
import t from 'tap'
import { planRun, type RunFlags } from './plan.ts'

const DATABASE_URL = 'postgres://app@db/app'

async function faultsOf(environment: Environment, flags: RunFlags = {}) {
  try {
    await planRun(flags, environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

async function portsOf(environment: Environment, flags: RunFlags = {}) {
  const { services } = await planRun(flags, { DATABASE_URL, ...environment })
  return services.map(({ port }) => port)
}

t.test('without a setting both services run beside a Postgres and a Redis of the command', async (t) => {
  const plan = await planRun({}, {})
  t.match(plan, { ownPostgres: true, ownRedis: 'single' })
  t.match(plan.services, [
    { name: 'reference-api', url: 'http://127.0.0.1:8000' },
    { name: 'parallel-api', url: 'http://127.0.0.1:8001', env: { UPSTREAM_URL: 'http://127.0.0.1:8000' } },
  ])
})

t.test('parallel-api has the port above that of reference-api', async (t) => {
  t.same(await portsOf({ PORT: '9000' }), [9000, 9001])
  t.same(await portsOf({ PORT: '9000' }, { port: 9100 }), [9100, 9101], 'an argument is stronger')
  t.same(await portsOf({ PORT: '9000' }, { parallelPort: 9500 }), [9000, 9500])
  const [one = 0, two = 0] = await portsOf({ PORT: '0' })
  t.ok(one > 0 && two > 0 && one !== two, 'free ones')
})

t.test('each service has an internal listener of its own', async (t) => {
  const { services } = await planRun({}, { DATABASE_URL, INTERNAL_PORT: '9100' })
  t.match(services, [{ env: { INTERNAL_PORT: '9100' } }, { env: { INTERNAL_PORT: '9101' } }])
  const free = await planRun({}, { DATABASE_URL, INTERNAL_PORT: '0' })
  t.match(free.services, [{ env: { INTERNAL_PORT: '0' } }, { env: { INTERNAL_PORT: '0' } }])
})

t.test('ports that collide, or are above the last one, are refused by name', async (t) => {
  t.match(await faultsOf({ PORT: '9000', INTERNAL_PORT: '9001' }), [
    { name: 'INTERNAL_PORT', message: /9001/ },
  ])
  t.match(await faultsOf({ PORT: '9001', INTERNAL_PORT: '9000' }), [
    { name: 'INTERNAL_PORT', message: /9001/ },
  ])
  t.match(await faultsOf({ PORT: '9000' }, { parallelPort: 9000 }), [{ name: 'PORT' }])
  t.match(await faultsOf({ PORT: '65535' }), [{ name: 'PORT', message: /no port above/ }])
  t.match(await faultsOf({ PORT: 'x', DB_POOL_MAX: '0' }), [{ name: 'PORT' }])
})

t.test('the address to reach follows HOST', async (t) => {
  for (const [HOST, url] of [
    ['0.0.0.0', 'http://127.0.0.1:8000'],
    ['::', 'http://[::1]:8000'],
    ['::1', 'http://[::1]:8000'],
    ['localhost', 'http://localhost:8000'],
  ] as const) {
    const { services } = await planRun({}, { DATABASE_URL, HOST })
    t.match(services, [{ host: HOST, url, env: { HOST } }, { env: { HOST, UPSTREAM_URL: url } }])
  }
  const given = await planRun({}, { DATABASE_URL, UPSTREAM_URL: 'http://elsewhere:80' })
  t.match(given.services[1]?.env, { UPSTREAM_URL: 'http://elsewhere:80' })
})

t.test('every setting reaches both services, as NAME and as NAME_FILE', async (t) => {
  const values: Record<string, string> = {
    HOST: '127.0.0.2',
    PORT: '9000',
    INTERNAL_PORT: '9100',
    DATABASE_URL,
    DATABASE_DIRECT_URL: 'postgres://app@direct/app',
    DATABASE_REPLICA_URL: 'postgres://app@replica/app',
    REDIS_URL: 'redis://redis:6379/1',
    REDIS_PASSWORD: 'p',
    UPSTREAM_URL: 'http://upstream:1',
    CACHE_L1: 'off',
    DB_POOL_MAX: '7',
    AUTH_TOKENS: `ci:${'0'.repeat(64)}:write`,
    MYSQL_URL: 'mysql://h/x',
  }
  const folder = t.testdir({})
  const files = Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      const file = join(folder, name)
      writeFileSync(file, `${value}\n`)
      return [`${name}_FILE`, file]
    }),
  )
  for (const environment of [values, files]) {
    const { services, ownPostgres, ownRedis } = await planRun({}, environment)
    t.match({ ownPostgres, ownRedis }, { ownPostgres: false, ownRedis: false })
    for (const { name, env } of services) {
      const alone = loadConfig(SERVICES[name], environment)
      const offset = name === 'reference-api' ? 0 : 1
      t.same(
        loadConfig(SERVICES[name], env),
        { ...alone, port: 9000 + offset, internalPort: 9100 + offset },
        name,
      )
    }
  }
  t.ok(Object.keys(values).every((name) => name in settings))
})

t.test('an empty variable counts as absent', async (t) => {
  const plan = await planRun(
    {},
    { DATABASE_URL: '', REDIS_URL: '', PORT: '', HOST: '', DATABASE_URL_FILE: '' },
  )
  t.match(plan, { ownPostgres: true, ownRedis: 'single' })
  t.match(plan.services, [{ port: 8000, host: '127.0.0.1' }])
})

t.test('configured servers are used, and an option without effect is refused by name', async (t) => {
  const redis = { REDIS_URL: 'redis://h' }
  t.match(await planRun({}, redis), { ownPostgres: true, ownRedis: false })
  t.match(await planRun({}, { REDIS_CLUSTER_NODES: 'a:1' }), { ownPostgres: true, ownRedis: false })
  t.match(await planRun({}, { DATABASE_URL }), { ownPostgres: false, ownRedis: false })
  t.match(await planRun({ redis: 'off' }, { DATABASE_URL }), { ownRedis: false })
  t.match(await planRun({ redis: 'cluster' }, {}), { ownRedis: 'cluster' })

  const replica = 'postgres://replica/app'
  t.match(await faultsOf({ DATABASE_REPLICA_URL: replica }), [
    { name: 'DATABASE_REPLICA_URL', message: /needs DATABASE_URL/ },
  ])
  t.match(await faultsOf({ DATABASE_DIRECT_URL: replica }), [{ name: 'DATABASE_DIRECT_URL' }])
  t.match(await faultsOf({ REDIS_PASSWORD: 'p' }), [{ name: 'REDIS_PASSWORD', message: /needs REDIS_URL/ }])
  t.match(await faultsOf({ ...redis, REDIS_CLUSTER_NODES: 'a:1' }), [{ name: 'REDIS_CLUSTER_NODES' }])
  t.same((await faultsOf({ CACHE_L1: 'yes', DB_POOL_MAX: '0' })).map(({ name }) => name).sort(), [
    'CACHE_L1',
    'DB_POOL_MAX',
  ])
  const usage = (pattern: string) => ({ message: new RegExp(pattern) })
  await t.rejects(planRun({ redis: 'single' }, redis), usage('^--redis .*REDIS_URL'))
  await t.rejects(planRun({ redis: 'single' }, { DATABASE_URL }), usage('^--redis'))
  await t.rejects(planRun({ temporary: true }, { DATABASE_URL }), usage('^--temporary'))
  await t.rejects(planRun({ postgresPort: 5432 }, { DATABASE_URL }), usage('^--postgres-port'))
})
