import { until } from '@reference/async'
import t from 'tap'
import { testServer } from './testing/test-server.ts'

t.test('with a blocked event loop calls are refused, and /health is answered', async (t) => {
  const { get } = await testServer(t, { overload: { maxEventLoopDelayMs: 1 } })
  const response = await until(
    'a call is refused',
    async () => {
      block(25)
      const answer = await get('/users/1')
      return answer.status === 503 && answer
    },
    { intervalMs: 0 },
  )
  t.equal(response.headers.get('retry-after'), '1')
  t.match(await response.json(), { code: 'OVERLOADED' })
  t.equal((await get('/health')).status, 200)
})

t.test('a busy event loop that answers refuses no calls', async (t) => {
  const { get } = await testServer(t)
  const end = Date.now() + 2200
  let refused = 0
  while (Date.now() < end) {
    block(20)
    const answers = await Promise.all(Array.from({ length: 20 }, () => get('/users/1')))
    refused += answers.filter(({ status }) => status !== 200).length
  }
  t.equal(refused, 0)
})

t.test('a single stall refuses no calls', async (t) => {
  const { get } = await testServer(t, { overload: { maxEventLoopDelayMs: 400 } })
  await get('/users/1')
  block(1500)
  const end = Date.now() + 900
  let refused = 0
  while (Date.now() < end) if ((await get('/users/1')).status !== 200) refused += 1
  t.equal(refused, 0)
})

function block(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}
