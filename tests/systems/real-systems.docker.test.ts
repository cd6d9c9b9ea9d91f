import { execFile } from 'node:child_process'
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { linkTo, startService, testDatabase, until } from '@reference/local-stack'
import { createSystems } from '@reference/systems'
import t from 'tap'
import { findPgBouncer, startPgBouncer } from '../jobs/pgbouncer.ts'
import { missing, startContainer } from './container.ts'

// MongoDB and Vault are not here: this project's machines have no image of them. Their protocols were tried as far as
// packages/systems tests them: MongoDB's refusals and hangs, Vault's health call against a stub.

interface Row {
  name: string
  status: string
  error?: string
  responseMs?: number
  thresholdMs?: number
}

const images = { mysql: 'mysql:9.7', rabbitmq: 'rabbitmq:4.3-management' }
const patient = 120_000
const slowFile = fileURLToPath(new URL('../../packages/systems/src/commands/mysql-slow.ts', import.meta.url))
const why = (await missing(images.mysql)) ?? (await missing(images.rabbitmq))
const pgbouncer = await findPgBouncer()

t.test('MySQL and RabbitMQ are asked over their own protocols', { skip: why ?? false }, async (t) => {
  const [database, mysql, rabbitmq] = await Promise.all([
    testDatabase(t),
    startContainer(t, {
      image: images.mysql,
      port: 3306,
      env: {
        MYSQL_ROOT_PASSWORD: 'r00t',
        MYSQL_DATABASE: 'shop',
        MYSQL_USER: 'app',
        MYSQL_PASSWORD: 'p@ss',
      },
    }),
    startContainer(t, {
      image: images.rabbitmq,
      port: 5672,
      env: { RABBITMQ_DEFAULT_USER: 'app', RABBITMQ_DEFAULT_PASS: 'p@ss' },
    }),
  ])
  const service = startService(t, 'reference-api', {
    DATABASE_URL: database.url,
    MYSQL_URL: `mysql://app:p%40ss@127.0.0.1:${mysql.port}/shop`,
    RABBITMQ_URL: `amqp://app:p%40ss@127.0.0.1:${rabbitmq.port}`,
  })
  const origin = await service.listening()
  const checks = async () => {
    const { status, body } = await get(origin, '/ready')
    const postgres = body.checks.find(({ name }: Row) => name === 'postgres')
    if (postgres.status === 'ok') t.equal(status, 200, 'none of them makes the service unready')
    return byName(body.checks)
  }
  // Not as often as `until` looks: a MySQL whose port is knocked at a hundred times a second starts late.
  const states = async () => {
    await sleep(200)
    return (await checks()).map(({ status }) => status).join(' ')
  }
  t.match(await checks(), [{ name: 'mysql' }, { name: 'rabbitmq' }], 'told while they are still starting')
  await until('both are up', async () => (await states()) === 'ok ok', patient)

  const services = byName((await get(origin, '/services')).body)
  t.match(services, [
    { name: 'mysql', thresholdMs: 1000, status: 'ok' },
    { name: 'rabbitmq', thresholdMs: 1000, status: 'ok' },
  ])
  for (const { name, responseMs } of services) t.type(responseMs, 'number', name)

  const slow = await promisify(execFile)(process.execPath, [slowFile, '--by', 'calls'], {
    env: { PATH: process.env.PATH, MYSQL_URL: `mysql://root:r00t@127.0.0.1:${mysql.port}/shop` },
  })
  t.match(slow.stdout, /^total ms +calls +mean ms +max ms +rows +examined +no index +statement\n/)
  t.match(slow.stdout, / SELECT \?$/m, 'the checks themselves were counted')

  await Promise.all([mysql.pause(), rabbitmq.pause()])
  const hung = checks()
  t.equal((await get(origin, '/users/1')).status, 200, 'a request meanwhile is answered')
  t.match(await hung, [{ error: 'TIMEOUT' }, { error: /TIMEOUT|ETIMEDOUT/ }])
  await Promise.all([mysql.unpause(), rabbitmq.unpause()])
  await until('both answer again', async () => (await states()) === 'ok ok', patient)

  await Promise.all([mysql.restart(), rabbitmq.restart()])
  await until('both are back', async () => (await states()) === 'ok ok', patient)
  t.equal(await service.end('SIGTERM'), 0)

  const wrong = startService(t, 'reference-api', {
    DATABASE_URL: database.url,
    MYSQL_URL: `mysql://app:wrong@127.0.0.1:${mysql.port}/shop`,
    RABBITMQ_URL: `amqp://app:wrong@127.0.0.1:${rabbitmq.port}`,
  })
  const refused = byName((await get(await wrong.listening(), '/ready')).body.checks)
  t.match(refused, [{ error: 'ER_ACCESS_DENIED_ERROR' }, { error: 'ACCESS-REFUSED' }])
})

t.test(
  'PgBouncer has a row of its own, which tells it from the Postgres behind it',
  { skip: 'missing' in pgbouncer ? pgbouncer.missing : false },
  async (t) => {
    if ('missing' in pgbouncer) return
    const { url: direct } = await testDatabase(t)
    const link = await linkTo(t, direct)
    await link.mend()
    const { url } = await startPgBouncer(t, pgbouncer.image, link.url)
    const service = startService(t, 'reference-api', {
      DATABASE_URL: url,
      DATABASE_DIRECT_URL: direct,
      JOB_HANDLERS: 'off',
    })
    const origin = await service.listening()
    const row = async () => {
      const { checks } = (await get(origin, '/ready')).body
      const both: Row[] = checks.filter(({ name }: Row) => ['postgres', 'pgbouncer'].includes(name))
      return both.map(({ name, status }) => `${name} ${status}`).join(', ')
    }
    await until('both answer', async () => (await row()) === 'postgres ok, pgbouncer ok')

    await link.cut()
    await until('only Postgres is unavailable', async () => (await row()) === 'postgres down, pgbouncer ok')
    await link.mend()
    await until('it is back', async () => (await row()) === 'postgres ok, pgbouncer ok')

    // What stands for a role without the right to the console: there is none.
    const systems = createSystems({ pgbouncerUrl: direct })
    t.teardown(() => systems.close())
    await systems.dependencies[0]?.check(AbortSignal.timeout(20_000))
  },
)

t.test('systems that are away neither stop a start nor harm a request', async (t) => {
  const { url } = await testDatabase(t)
  const service = startService(t, 'parallel-api', {
    DATABASE_URL: url,
    MYSQL_URL: 'mysql://app@127.0.0.1:2/shop',
    MONGODB_URL: 'mongodb://127.0.0.1:2/shop',
    RABBITMQ_URL: 'amqp://app@127.0.0.1:2',
    VAULT_ADDR: 'http://127.0.0.1:2',
  })
  const origin = await service.listening()
  await until('each says why', async () => {
    const { status, body } = await get(origin, '/ready')
    const away: Row[] = body.checks.filter(({ name }: Row) => !['postgres', 'reference-api'].includes(name))
    return (
      status === 200 &&
      body.status === 'degraded' &&
      away.map(({ name }) => name).join() === 'mysql,mongodb,rabbitmq,vault' &&
      away.every(({ status, error }) => status === 'degraded' && error === 'ECONNREFUSED')
    )
  })
  t.equal((await get(origin, '/users/1')).status, 200)
  t.equal(await service.end('SIGTERM'), 0)
})

const byName = (rows: Row[]): Row[] => rows.filter(({ name }) => ['mysql', 'rabbitmq'].includes(name))

function get(origin: string, path: string): Promise<{ status: number; body: ReturnType<typeof JSON.parse> }> {
  return new Promise((resolve, reject) => {
    request(`${origin}${path}`, { agent: false }, async (response) => {
      let text = ''
      for await (const part of response) text += part
      resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) })
    })
      .on('error', reject)
      .end()
  })
}
