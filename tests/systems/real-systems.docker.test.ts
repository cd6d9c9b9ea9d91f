import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { until } from '@reference/async'
import { startService, testDatabase } from '@reference/local-stack'
import t from 'tap'
import { getJson } from '../testing/get-json.ts'
import { missing, startContainer } from './container.ts'

// Without MongoDB and Vault, whose images were not available. packages/systems tests the refusals and hangs of MongoDB, and
// Vault's health call against a stub.

interface Row {
  name: string
  status: string
  error?: string
  responseMs?: number
  thresholdMs?: number
}

const IMAGES = { mysql: 'mysql:9.7', rabbitmq: 'rabbitmq:4.3-management' }
/** A MySQL that gets a hundred connections a second starts late. */
const START_TIMEOUT = { timeoutMs: 120_000, intervalMs: 200 }
const SLOW_COMMAND = fileURLToPath(
  new URL('../../packages/systems/src/commands/mysql-slow.ts', import.meta.url),
)
const missingImage = (await missing(IMAGES.mysql)) ?? (await missing(IMAGES.rabbitmq))

t.test(
  'MySQL and RabbitMQ are probed over their own protocols',
  { skip: missingImage ?? false },
  async (t) => {
    const [database, mysql, rabbitmq] = await Promise.all([
      testDatabase(t),
      startContainer(t, {
        image: IMAGES.mysql,
        port: 3306,
        env: {
          MYSQL_ROOT_PASSWORD: 'r00t',
          MYSQL_DATABASE: 'shop',
          MYSQL_USER: 'app',
          MYSQL_PASSWORD: 'p@ss',
        },
      }),
      startContainer(t, {
        image: IMAGES.rabbitmq,
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
      const { status, body } = await getJson(origin, '/ready')
      const postgres = body.checks.find(({ name }: Row) => name === 'postgres')
      if (postgres.status === 'ok') t.equal(status, 200, 'none of them makes the service unready')
      return byName(body.checks)
    }
    const states = async () => {
      return (await checks()).map(({ status }) => status).join(' ')
    }
    t.match(await checks(), [{ name: 'mysql' }, { name: 'rabbitmq' }], 'rows exist while the systems start')
    await until('both are up', async () => (await states()) === 'ok ok', START_TIMEOUT)

    const services = byName((await getJson(origin, '/services')).body)
    t.match(services, [
      { name: 'mysql', thresholdMs: 1000, status: 'ok' },
      { name: 'rabbitmq', thresholdMs: 1000, status: 'ok' },
    ])
    for (const { name, responseMs } of services) t.type(responseMs, 'number', name)

    const slow = await promisify(execFile)(process.execPath, [SLOW_COMMAND, '--by', 'calls'], {
      env: { PATH: process.env.PATH, MYSQL_URL: `mysql://root:r00t@127.0.0.1:${mysql.port}/shop` },
    })
    t.match(slow.stdout, /^total ms +calls +mean ms +max ms +rows +examined +no index +statement\n/)
    t.match(slow.stdout, / SELECT \?$/m, 'the probes themselves are counted')

    await Promise.all([mysql.pause(), rabbitmq.pause()])
    const hung = checks()
    t.equal((await getJson(origin, '/users/1')).status, 200, 'a request is answered meanwhile')
    t.match(await hung, [{ error: 'TIMEOUT' }, { error: /TIMEOUT|ETIMEDOUT/ }])
    await Promise.all([mysql.unpause(), rabbitmq.unpause()])
    await until('both answer again', async () => (await states()) === 'ok ok', START_TIMEOUT)

    await Promise.all([mysql.restart(), rabbitmq.restart()])
    await until('both are back', async () => (await states()) === 'ok ok', START_TIMEOUT)
    t.equal(await service.end('SIGTERM'), 0)

    const wrong = startService(t, 'reference-api', {
      DATABASE_URL: database.url,
      MYSQL_URL: `mysql://app:wrong@127.0.0.1:${mysql.port}/shop`,
      RABBITMQ_URL: `amqp://app:wrong@127.0.0.1:${rabbitmq.port}`,
    })
    const refused = byName((await getJson(await wrong.listening(), '/ready')).body.checks)
    t.match(refused, [{ error: 'ER_ACCESS_DENIED_ERROR' }, { error: 'ACCESS-REFUSED' }])
  },
)

const SYSTEMS = ['mysql', 'mongodb', 'rabbitmq', 'vault']

t.test('unavailable systems neither stop a start nor fail a request', async (t) => {
  const { url } = await testDatabase(t)
  const service = startService(t, 'reference-api', {
    DATABASE_URL: url,
    MYSQL_URL: 'mysql://app@127.0.0.1:2/shop',
    MONGODB_URL: 'mongodb://127.0.0.1:2/shop',
    RABBITMQ_URL: 'amqp://app@127.0.0.1:2',
    VAULT_ADDR: 'http://127.0.0.1:2',
  })
  const origin = await service.listening()
  await until('each row has its code', async () => {
    const { status, body } = await getJson(origin, '/ready')
    const rows: Row[] = body.checks.filter(({ name }: Row) => SYSTEMS.includes(name))
    return (
      status === 200 &&
      body.status === 'degraded' &&
      rows.map(({ name }) => name).join() === SYSTEMS.join() &&
      rows.every(({ status, error }) => status === 'degraded' && error === 'ECONNREFUSED')
    )
  })
  t.equal((await getJson(origin, '/users/1')).status, 200)
  t.equal(await service.end('SIGTERM'), 0)
})

const byName = (rows: Row[]): Row[] => rows.filter(({ name }) => ['mysql', 'rabbitmq'].includes(name))
