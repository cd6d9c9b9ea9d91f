import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { renderBaseline, takeBaseline } from './baseline.ts'

const never = new AbortController().signal

/** A service whose `/services` answers with these rows or this status. */
async function serve(t: Test, services: unknown, status = 200): Promise<string> {
  const server = createServer((request, response) => {
    const ours = request.url === '/services'
    response.statusCode = ours ? status : 200
    response.end(JSON.stringify(ours ? services : { status: 'ok' }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('every system of /services has a row, including systems that are down', async (t) => {
  const origin = await serve(t, [
    { name: 'postgres', responseMs: 0.8, thresholdMs: 1000, status: 'ok' },
    { name: 'search', responseMs: 1664, thresholdMs: 1000, status: 'slow' },
    { name: 'mailer', responseMs: 0, thresholdMs: 200, status: 'down' },
  ])
  const rows = await takeBaseline(origin, never, 5)
  t.match(rows, [
    { name: 'the service (/health)', samples: 5, failures: 0, thresholdMs: 500 },
    { name: 'postgres', samples: 5, failures: 0, p50Ms: 0.8 },
    { name: 'search', samples: 5, failures: 0, thresholdMs: 1000 },
    { name: 'mailer', samples: 5, failures: 5 },
  ])
  const table = renderBaseline(rows)
  t.match(table, /postgres +0\.80 +0\.80 +< 1000 +5 {2}within/)
  t.match(table, /search .* p99 OVER its threshold/)
  t.match(table, /mailer +– +– +< 200 +5 {2}DOWN/)
})

t.test(
  'a service with /services on its internal port and an unavailable service have different errors',
  async (t) => {
    const hidden = await serve(t, {}, 404)
    await t.rejects(takeBaseline(hidden, never), { code: 'NO_SERVICES', message: /INTERNAL_PORT/ })
    await t.rejects(takeBaseline('http://127.0.0.1:1', never), { code: 'UNREACHABLE' })
  },
)
