import { until } from '@reference/async'
import t from 'tap'
import { testServer } from './testing/test-server.ts'

t.test('a safe x-request-id is kept in the reply, the problem and the log', async (t) => {
  const { get, lines } = await testServer(t, { requestLog: true })
  for (const id of ['a', 'Trace_1.2-3', 'x'.repeat(128)]) {
    const response = await get('/nope', { 'x-request-id': id })
    t.equal(response.headers.get('x-request-id'), id)
    t.match(await response.json(), { requestId: id })
  }
  await until('each request is logged', () => lines.length === 4)
  t.match(lines.slice(1), [{ requestId: 'a' }, { requestId: 'Trace_1.2-3' }, { requestId: 'x'.repeat(128) }])
})

t.test('any other x-request-id is replaced by a unique id', async (t) => {
  const { get } = await testServer(t)
  const seen = new Set<string | null>()
  for (const given of ['a b', 'x'.repeat(129), 'a"b', 'ü', '']) {
    const id = (await get('/health', { 'x-request-id': given })).headers.get('x-request-id')
    t.match(id, /^[0-9a-f]{12}-[0-9a-z]+$/)
    seen.add(id)
  }
  t.equal(seen.size, 5)
})
