import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { startService, type TestScope, testDatabase, testRedis, until } from '@reference/local-stack'
import t from 'tap'

const LOADED = `--import ${new URL('./register.ts', import.meta.url).href}`

interface Span {
  service: string
  name: string
  traceId: string
  spanId: string
  parentSpanId: string | undefined
  startTimeUnixNano: string
  endTimeUnixNano: string
  attributes: Record<string, unknown>
}

interface Collector {
  url: string
  spans: Span[]
}

/** An OTLP receiver that keeps each span. */
async function collector(t: TestScope): Promise<Collector> {
  const spans: Span[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const part of request.setEncoding('utf8')) text += part
    for (const { resource, scopeSpans } of JSON.parse(text).resourceSpans) {
      const service = String(valuesOf(resource.attributes)['service.name'])
      for (const { spans: sent } of scopeSpans) {
        for (const span of sent) spans.push({ ...span, service, attributes: valuesOf(span.attributes) })
      }
    }
    response.setHeader('content-type', 'application/json').end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans }
}

function valuesOf(attributes: { key: string; value: object }[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
}

async function fleet(t: TestScope, environment: Record<string, string>) {
  const database = await testDatabase(t)
  const redis = await testRedis(t)
  const common: Record<string, string> = {
    DATABASE_URL: database.url,
    ...(redis && { REDIS_URL: redis.url }),
    NODE_OPTIONS: LOADED,
    ...environment,
  }
  common.JOB_HANDLERS = 'off' // part:jobs
  const api = startService(t, 'reference-api', common)
  const worker = startService(t, 'reference-worker', { ...common, JOB_HANDLERS: 'on' }) // part:jobs
  const apiUrl = await api.listening()
  await worker.listening() // part:jobs
  // part:parallel-api
  const parallel = startService(t, 'parallel-api', { ...common, UPSTREAM_URL: apiUrl })
  const parallelUrl = await parallel.listening()
  // end:parallel-api
  return {
    api,
    apiUrl,
    worker, // part:jobs
    parallelUrl, // part:parallel-api
  }
}

const newTrace = (sampled: boolean) => {
  const traceId = randomBytes(16).toString('hex')
  return {
    traceId,
    headers: { traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-0${sampled ? 1 : 0}` },
  }
}

t.test('a request through both services and a job in a third process are one trace', async (t) => {
  const { url, spans } = await collector(t)
  const { apiUrl, parallelUrl, api, worker } = await fleet(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_TRACES_SAMPLER: 'parentbased_always_off',
  })
  const { traceId, headers } = newTrace(true)
  const listed = await fetch(`${parallelUrl}/aggregate?limit=2`, { headers }) // part:parallel-api
  t.equal(listed.status, 200) // part:parallel-api
  await fetch(`${apiUrl}/users/8`, { headers })
  // part:jobs
  // Three at once, so that pg-boss may fetch them in one batch.
  const jobs = await Promise.all(
    [1, 2, 3].map(async (n) => {
      const answer = await fetch(`${apiUrl}/process-data`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ n }),
      })
      return ((await answer.json()) as { jobId: string }).jobId
    }),
  )
  // end:jobs
  t.equal((await fetch(`${parallelUrl}/report`, { headers })).status, 200) // part:parallel-api
  await fetch(`${apiUrl}/users/7`, { headers: newTrace(false).headers })
  // part:jobs
  const handled = await until('each job has its span', () => {
    const found = spans.filter(({ name }) => name === 'handle process-data')
    return found.length === jobs.length && found
  })
  // end:jobs
  const inTrace = (service: string, name: string) =>
    until(`${service} sends ${name}`, () =>
      spans.find((span) => span.service === service && span.name === name && span.traceId === traceId),
    )
  await inTrace('reference-api', 'GET /users/:id')
  // part:parallel-api
  const root = await inTrace('parallel-api', 'GET /aggregate')
  const orders = await inTrace('reference-api', 'GET /orders')
  const call = spans.find(({ spanId }) => spanId === orders.parentSpanId)
  t.match(call, { service: 'parallel-api', name: 'GET', parentSpanId: root.spanId })
  t.match(orders.attributes, { 'http.route': '/orders', 'http.response.status_code': 200 })
  const below = spans.filter(({ parentSpanId }) => parentSpanId === orders.spanId).map(({ name }) => name)
  t.ok(
    below.some((name) => /order/.test(name)),
    `the statement is below: ${below}`,
  )
  const report = await inTrace('parallel-api', 'GET /report')
  const part = await inTrace('parallel-api', 'report_part')
  t.equal(part.parentSpanId, report.spanId, 'a statement of a worker thread is below its request')
  t.ok(
    BigInt(part.startTimeUnixNano) > BigInt(report.startTimeUnixNano) &&
      BigInt(part.endTimeUnixNano) < BigInt(report.endTimeUnixNano),
    'with the time at which it was sent',
  )
  // end:parallel-api
  // part:jobs
  await inTrace('reference-api', 'send process-data')
  for (const span of handled) {
    t.equal(span.traceId, traceId)
    t.equal(span.service, 'reference-worker')
    t.ok(jobs.includes(String(span.attributes['messaging.message.id'])))
  }
  // end:jobs
  t.same(new Set(spans.map((span) => span.traceId)), new Set([traceId]), 'an unsampled trace is not exported')
  t.ok(
    spans.some(({ name, service }) => service === 'reference-api' && name.startsWith('cache ')),
    'the trace includes calls of cache tier 2',
  )
  // part:jobs
  const line = api.output.text.split('\n').find((text) => text.includes('"path":"/process-data"'))
  t.match(JSON.parse(line ?? '{}'), { traceId }, 'the log line names the trace, without REQUEST_LOG')
  for (const jobId of jobs) {
    const line = worker.output.text.split('\n').find((text) => text.includes(jobId))
    t.match(JSON.parse(line ?? '{}'), { msg: 'job', jobId, traceId, outcome: 'completed' })
  }
  // end:jobs
  t.notMatch(api.output.text, '"path":"/users/7"', 'a request whose trace is not kept has no line')
})

// part:parallel-api
t.test('a share of the requests without a trace context is kept, each with all its spans', async (t) => {
  const { url, spans } = await collector(t)
  const { parallelUrl } = await fleet(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_TRACES_SAMPLER_ARG: '0.5',
  })
  const requests = 40
  for (let n = 0; n < requests; n++) {
    t.equal((await fetch(`${parallelUrl}/aggregate?limit=2`)).status, 200)
  }
  const roots = () => spans.filter(({ parentSpanId }) => !parentSpanId)
  const orders = () =>
    spans.filter(({ service, name }) => service === 'reference-api' && name === 'GET /orders')
  await until(
    'the kept spans have been exported',
    () => roots().length > 0 && orders().length === roots().length,
  )
  // 40 fair coin flips: outside these bounds once in 10⁷ runs.
  t.ok(roots().length > 3 && roots().length < 37, `${roots().length} of ${requests}`)
  t.same(
    new Set(roots().map(({ service, name }) => `${service} ${name}`)),
    new Set(['parallel-api GET /aggregate']),
  )
  t.same(
    new Set(orders().map(({ traceId }) => traceId)),
    new Set(roots().map(({ traceId }) => traceId)),
    'the reference-api has kept the same traces',
  )
})
// end:parallel-api

t.test('remaining spans are exported before the process ends', async (t) => {
  const { url, spans } = await collector(t)
  const api = startService(t, 'reference-api', {
    DATABASE_URL: (await testDatabase(t)).url,
    NODE_OPTIONS: LOADED,
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_TRACES_SAMPLER: 'always_on',
  })
  await fetch(`${await api.listening()}/users/3`)
  t.equal(await api.end('SIGTERM'), 0)
  t.ok(spans.some(({ name }) => name === 'GET /users/:id'))
})
