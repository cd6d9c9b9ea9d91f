import t from 'tap'
import { testServer } from './test-server.ts'

t.test('an event loop that no longer turns refuses calls, but tells its health', async (t) => {
  const { get } = await testServer(t, { overload: { maxEventLoopDelayMs: 1 } })
  const limit = Date.now() + 10_000
  let response = await get('/users/1')
  while (response.status !== 503 && Date.now() < limit) {
    for (let busy = 0; busy < 20 && response.status !== 503; busy++) {
      block(25)
      response = await get('/users/1')
    }
  }
  t.equal(response.status, 503)
  t.equal(response.headers.get('retry-after'), '1')
  t.match(await response.json(), { code: 'OVERLOADED' })
  t.equal((await get('/health')).status, 200)
})

t.test('a busy loop that answers is not refused', async (t) => {
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

t.test('a single stall is not refused', async (t) => {
  const { get } = await testServer(t, { overload: { maxEventLoopDelayMs: 100 } })
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
