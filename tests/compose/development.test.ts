import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { docker, hasImage, root, until } from './docker.ts'
import { createStack } from './stack.ts'

t.setTimeout(300_000)

interface Row {
  Service: string
  State: string
  Health: string
  ExitCode: number
}

t.test(
  'docker compose up: all healthy, calls through PgBouncer, jobs, and nothing left after down',
  async (t) => {
    const stack = await createStack('development')
    t.teardown(() => stack.down())
    // As typed: without a profile it is Postgres, PgBouncer, Redis and both APIs.
    const services = (await docker(['compose', 'config', '--services'])).trim().split('\n')
    t.notMatch(services.join(' '), /mysql|mongodb|rabbitmq|vault|redis-1/, 'the default is the small part')
    await stack.compose(['up', '--detach', '--wait', '--wait-timeout', '200', ...services], 280)

    const rows = (await stack.compose(['ps', '--all', '--format', 'json']))
      .trim()
      .split('\n')
      .map((line): Row => JSON.parse(line))
    for (const { Service, State, Health, ExitCode } of rows) {
      if (['secrets', 'migrate'].includes(Service))
        t.equal(`${State} ${ExitCode}`, 'exited 0', `${Service} did its work`)
      else t.equal(`${State} ${Health}`, 'running healthy', `${Service} is healthy`)
    }

    const api = `http://127.0.0.1:${stack.ports.API_PORT}`
    const parallel = `http://127.0.0.1:${stack.ports.PARALLEL_API_PORT}`
    const first = await fetch(`${api}/users/42`)
    t.match(await first.json(), { id: 42 })
    const tiers = []
    for (let i = 0; i < 3; i++) tiers.push((await fetch(`${api}/users/42`)).headers.get('x-cache'))
    t.ok(tiers.includes('l1'), `the cache's tiers answer: ${tiers}`)
    // part:parallel-api
    t.match(await (await fetch(`${parallel}/all?limit=1`)).json(), {
      users: [{}],
      orders: [{}],
      products: [{}],
    })
    // end:parallel-api

    const inside = (service: string, ...command: string[]) =>
      stack.compose(['exec', '-T', service, ...command])
    const psql = (host: string, port: string, sql: string, user = 'reference', database = 'reference') =>
      inside(
        'postgres',
        'sh',
        '-c',
        `PGPASSWORD=$(cat /run/secrets/${user}_password) psql -h ${host} -p ${port} -U ${user} -d ${database} -Atc "${sql}"`,
      )

    await t.test("the role's limits hold through PgBouncer", async (t) => {
      t.equal((await psql('pgbouncer', '6432', 'SHOW statement_timeout')).trim(), '10s')
      t.equal((await psql('pgbouncer', '6432', 'SHOW idle_in_transaction_session_timeout')).trim(), '10s')
      t.equal((await psql('pgbouncer', '6432', 'SHOW transaction_timeout')).trim(), '20s')
      await t.rejects(psql('pgbouncer', '6432', 'SELECT pg_sleep(30)'), { message: /statement timeout/ })
    })

    await t.test('the API speaks to Postgres through the pool, the superuser does not', async (t) => {
      const pools = await psql('pgbouncer', '6432', 'SHOW POOLS', 'pgbouncer_stats', 'pgbouncer')
      t.match(pools, /^reference\|reference_api\|[1-9].*\|transaction\|/m, 'its clients are in the pool')
      await t.rejects(psql('pgbouncer', '6432', 'SELECT 1', 'postgres'), {
        message: /no such user|authentication failed/,
      })
      const users = () =>
        psql('postgres', '5432', 'SELECT DISTINCT usename FROM pg_stat_activity', 'postgres')
      // A login at a time: the connection of a lookup is closed when who logs in has gone meanwhile.
      await until('passwords are looked up by the role for it alone', async () => {
        await psql('pgbouncer', '6432', 'SELECT 1')
        return (await users()).split('\n').includes('pgbouncer')
      })
    })

    // part:jobs
    await t.test('a job that is sent is done', async (t) => {
      const sent = await fetch(`${api}/process-data`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ values: [1, 2, 3] }),
      })
      t.equal(sent.status, 202)
      const { jobId } = (await sent.json()) as { jobId: string }
      await until('the job is completed', async () => {
        const job = (await (await fetch(`${api}/jobs/${jobId}`)).json()) as { state?: string }
        return job.state === 'completed'
      })
      t.pass('completed')
    })
    // end:jobs

    await t.test('a changed source is taken up without a new image', async (t) => {
      const logs = () => stack.compose(['logs', '--no-log-prefix', 'reference-api'])
      const starts = async () => (await logs()).split('"msg":"shutdown done"').length
      const before = await starts()
      // Its time alone changes.
      await docker([
        ...['run', '--rm', '-v', `${join(root, 'services/reference-api/src')}:/src`, 'debian:trixie-slim'],
        ...['touch', '/src/app.ts'],
      ])
      await until('it starts anew', async () => (await starts()) > before)
      await until('it answers again', async () => (await fetch(`${api}/health`)).ok)
      t.pass('started anew')
    })

    await stack.down()
    const left = await Promise.all(
      [
        ['ps', '--all', '--quiet'],
        ['volume', 'ls', '--quiet'],
        ['network', 'ls', '--quiet'],
      ].map((args) => docker([...args, '--filter', `label=com.docker.compose.project=${stack.name}`])),
    )
    t.same(left, ['', '', ''], 'down -v leaves no container, no volume and no network')
  },
)

t.test('MySQL comes up beside it with the example rows', async (t) => {
  const stack = await createStack('systems', ['systems'])
  t.teardown(() => stack.down())
  await stack.compose(['up', '--detach', '--wait', '--wait-timeout', '200', 'mysql'], 240)
  const orders = await stack.compose([
    ...['exec', '-T', 'mysql', 'sh', '-c'],
    'MYSQL_PWD=$(cat /run/secrets/mysql_password) mysql -h 127.0.0.1 -u reference -N reference -e ' +
      '"SELECT COUNT(*) FROM orders; SELECT COUNT(*) > 0 FROM performance_schema.events_statements_summary_by_digest"',
  ])
  t.equal(orders, '20000\n1\n', 'rows to query, and digests that the application may read')
})

t.test('RabbitMQ comes up beside it with an account of its own', async (t) => {
  const stack = await createStack('systems', ['systems'])
  t.teardown(() => stack.down())
  await stack.compose(['up', '--detach', '--wait', '--wait-timeout', '200', 'rabbitmq'], 240)
  const users = await stack.compose(['exec', '-T', 'rabbitmq', 'rabbitmqctl', '-q', 'list_users'])
  t.match(users, /^reference\s/m)
  t.notMatch(users, /guest/, 'there is no account with a known password')
})

const UNTRIED: readonly (readonly [service: string, image: string])[] = [
  ['mongodb', 'mongo:8.0'],
  ['vault', 'hashicorp/vault:1.21'],
]
for (const [service, image] of UNTRIED) {
  t.test(`${image} comes up healthy`, async (t) => {
    if (!(await hasImage(image))) {
      t.pass(
        `skipped: there is no image ${image} here; its files were checked against the documentation alone`,
      )
      return
    }
    const stack = await createStack(service, ['systems'])
    t.teardown(() => stack.down())
    await stack.compose(['up', '--detach', '--wait', '--wait-timeout', '200', service], 240)
    t.pass('healthy')
  })
}

t.test('every package whose sources run is mounted', async (t) => {
  const compose = readFileSync(join(root, 'docker-compose.yml'), 'utf8')
  const packages = (await readdir(join(root, 'packages'), { withFileTypes: true })).filter((entry) =>
    entry.isDirectory(),
  )
  // local-stack starts servers without Docker; no image has it.
  for (const { name } of packages.filter(({ name }) => name !== 'local-stack')) {
    t.ok(compose.includes(`./packages/${name}/src:/app/packages/${name}/src:ro`), `packages/${name}`)
  }
})
