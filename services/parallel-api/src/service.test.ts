import { once } from 'node:events'
import { openApiFaults } from '@reference/http/testing/openapi'
import { freePort, startService, testRedis, until } from '@reference/local-stack'
import t from 'tap'
import { createGet } from './testing/get.ts'
import { type Scope, startApi } from './testing/test-api.ts'
import { startUpstream } from './testing/upstream.ts'

const start = (t: Scope, environment: Record<string, string>) => startService(t, 'parallel-api', environment)

t.test('wrong settings end the start with code 78 and name every setting', async (t) => {
  const { child, output } = start(t, {
    UPSTREAM_URL: 'ftp://x',
    PARALLEL_FETCH: 'maybe',
    WORKER_THREADS: '-1',
  })
  await once(child, 'exit')
  t.equal(child.exitCode, 78)
  for (const name of ['UPSTREAM_URL', 'PARALLEL_FETCH', 'WORKER_THREADS', 'DATABASE_URL'])
    t.match(output.text, name)
})

t.test(
  'starts without database, Redis and upstream, names what fails, and shuts down in order',
  async (t) => {
    const port = await freePort()
    const { end, listening } = start(t, {
      DATABASE_URL: `postgres://reference@127.0.0.1:${port}/none`,
      REDIS_URL: `redis://127.0.0.1:${port}`,
      UPSTREAM_URL: `http://127.0.0.1:${port}`,
    })
    const get = createGet(await listening())
    t.match(await get('/health'), { status: 200, body: { status: 'ok' } })
    const ready = await get('/ready')
    t.match(ready, {
      status: 503,
      body: {
        status: 'down',
        checks: [
          { name: 'postgres', status: 'down' },
          { name: 'redis', status: 'degraded' },
          { name: 'reference-api', status: 'degraded' },
        ],
      },
    })
    t.match(await get('/all'), { status: 502, body: { code: 'PART_FAILED' } })
    t.match((await get('/all?partial=true')).body, { errors: Array(3).fill({ part: String }) })
    t.match(await get('/aggregate'), { status: 502, body: { code: 'UPSTREAM_UNAVAILABLE' } })
    for (const path of ['/users/1', '/report', '/report?engine=sql']) {
      const { status, headers } = await get(path)
      t.equal(status, 503, path)
      t.match(headers['retry-after'], /^\d+$/)
    }
    t.equal(await end('SIGTERM'), 0)
  },
)

t.test('without Redis and upstream the service is degraded, not down', async (t) => {
  const redis = await testRedis(t, { own: true })
  const upstream = await startUpstream(t)
  const { get } = await startApi(t, { REDIS_URL: redis.url, UPSTREAM_URL: upstream.url })
  await until('every dependency is ok', async () => (await get('/ready')).body.status === 'ok')
  // A busy machine may take longer than a threshold.
  const services = await until('each answers within its threshold', async () => {
    const { body } = await get('/services')
    return body.every(({ status }: { status: string }) => status === 'ok') && body
  })
  t.match(services, [{ name: 'postgres' }, { name: 'redis' }, { name: 'reference-api' }])
  await upstream.stop()
  await redis.kill()
  await until('both are reported as degraded', async () => {
    const { status, body } = await get('/ready')
    const degraded = body.checks.filter((check: { status: string }) => check.status === 'degraded')
    return status === 200 && degraded.length === 2
  })
  t.equal((await get('/users/1')).status, 200)
  t.equal((await get('/all')).status, 200)
})

t.test('documents its calls and counts them', async (t) => {
  const { get } = await startApi(t)
  const { body } = await get('/openapi.json')
  t.match(body.openapi, /^3\.1/)
  for (const path of ['/all', '/aggregate', '/report', '/users/{id}']) t.ok(body.paths[path]?.get, path)
  const { properties } = body.paths['/aggregate'].get.responses['200'].content['application/json'].schema
  t.ok(properties.items.items.properties.user.properties.email)
  t.same(openApiFaults(body), [])
  t.match(body.info, { title: 'Parallel API', description: /cancels/ })
  t.equal((await get('/docs')).status, 200)
  await get('/all?limit=1')
  const { text } = await get('/metrics')
  for (const name of [
    'http_request_duration_seconds_count{',
    'db_pool_in_use{',
    'upstream_suspended 0',
    'upstream_retries_total 0',
  ]) {
    t.match(text, name)
  }
})

t.test('statements that a report sends from its thread are counted in the metrics', async (t) => {
  const { get } = await startApi(t)
  t.equal((await get('/report')).body.engine, 'workers')
  const { text } = await get('/metrics')
  for (const statement of ['report_id_range', 'report_categories', 'report_part']) {
    const [, count] =
      new RegExp(`_seconds_count\\{pool="cancellable",statement="${statement}"\\} (\\d+)`).exec(text) ?? []
    t.ok(Number(count) >= 1, statement)
  }
})
