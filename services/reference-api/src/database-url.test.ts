import {
  prepareDatabase,
  startService,
  startTlsPostgres,
  testCertificate,
  until,
} from '@reference/local-stack'
import t from 'tap'
import { createCall, startApi } from './testing/test-api.ts'

const server = await startTlsPostgres(t)
const at = (query: string) =>
  `postgres://reference:${server.password}@127.0.0.1:${server.port}/reference?${query}`
const verified = at(`sslmode=verify-full&sslrootcert=${testCertificate('authority.crt')}`)
await prepareDatabase(verified, { users: 100, products: 10, orders: 100 })

const endSessions = () =>
  server.run("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'reference'")

t.test('requests and the queue both connect with a verified certificate', async (t) => {
  const { call } = await startApi(t, { DATABASE_URL: verified }, { redis: false })
  t.equal((await call('GET', '/users/1')).status, 200)
  // part:jobs
  const job = await call('POST', '/process-data', { body: { a: 1 } })
  t.equal(job.status, 202)
  await until('the job is done', async () => {
    return (await call('GET', `/jobs/${job.body.jobId}`)).body.state === 'completed'
  })
  // end:jobs
  t.match((await call('GET', '/ready')).body, {
    status: 'ok',
    checks: [
      { name: 'postgres' },
      { name: 'jobs' }, // part:jobs
    ],
  })
  const sessions = await server.run(
    `select distinct split_part(application_name, ' ', 1) as name from pg_stat_activity join pg_stat_ssl using (pid)
     where usename = 'reference' and ssl order by 1`,
  )
  t.same(
    sessions.map(({ name }) => name),
    [
      'reference-api',
      'reference-api-jobs', // part:jobs
    ],
  )

  await server.present('expired')
  t.teardown(() => server.present('server'))
  await endSessions()
  const refused = await until('the connections are gone', async () => {
    const answer = await call('GET', '/users/2')
    return answer.status !== 200 && answer
  })
  t.match(refused, { status: 503, headers: { 'retry-after': '1' }, body: { code: 'DB_UNAVAILABLE' } })
  t.match(await call('POST', '/process-data', { body: { a: 1 } }), { status: 503 }) // part:jobs
  t.match(await call('GET', '/ready'), {
    status: 503,
    body: {
      checks: [
        { name: 'postgres', status: 'down', error: 'DB_UNAVAILABLE: CERT_HAS_EXPIRED' },
        { name: 'jobs', status: 'degraded', error: 'JOBS_UNAVAILABLE: CERT_HAS_EXPIRED' }, // part:jobs
      ],
    },
  })
  await server.present('server')
  await until('it is ready again', async () => (await call('GET', '/ready')).body.status === 'ok')
  t.equal((await call('POST', '/process-data', { body: { a: 1 } })).status, 202) // part:jobs
})

t.test(
  'an untrusted server, a wrong password and an absent database are a 503 with the reason',
  async (t) => {
    const cases: [string, RegExp][] = [
      [
        at(`sslmode=verify-full&sslrootcert=${testCertificate('other-authority.crt')}`),
        /UNABLE_TO_VERIFY|SELF_SIGNED/,
      ],
      [at('sslmode=require').replace(server.password, 'wrong'), /28P01/],
      [at('sslmode=require').replace('/reference?', '/absent?'), /3D000/],
    ]
    for (const [url, reason] of cases) {
      const service = startService(t, 'reference-api', {
        DATABASE_URL: url,
        LOG_LEVEL: 'info',
      })
      const { listening, end } = service
      const call = createCall(await listening())
      const listenedAt = performance.now() // part:jobs
      const problem = { status: 503, body: { code: 'DB_UNAVAILABLE' } }
      t.match(await call('GET', '/users/1'), problem)
      t.match(await call('POST', '/process-data', { body: { a: 1 } }), { status: 503 }) // part:jobs
      const ready = await call('GET', '/ready')
      t.equal(ready.status, 503)
      for (const { error } of ready.body.checks) t.match(error, reason)
      // part:jobs
      // Long enough for several tries to start.
      await until('the queue has tried again', async () => {
        await call('GET', '/ready')
        return performance.now() > listenedAt + 2_000
      })
      t.equal(
        service.output.text.match(/jobs cannot start yet/g)?.length,
        1,
        'one line, however often it is tried',
      )
      // end:jobs
      t.match(service.output.text, reason) // part:jobs
      t.equal(await end('SIGTERM'), 0)
    }
  },
)

t.test('an unusable URL ends the start with code 78', async (t) => {
  const { child, output } = startService(t, 'reference-api', {
    DATABASE_URL: at('sslmode=on&pgbouncer=true'),
  })
  await until('it has ended', () => child.exitCode !== null)
  t.equal(child.exitCode, 78)
  t.match(
    output.text,
    /DATABASE_URL: sslmode must be disable, .* got "on"|DATABASE_URL: pgbouncer is a parameter/,
  )
  t.notMatch(output.text, server.password)
})
