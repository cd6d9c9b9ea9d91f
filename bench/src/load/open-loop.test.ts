import type { RequestListener } from 'node:http'
import t from 'tap'
import { listen } from '../../testing/listen.ts'
import { curveOf, mergeHistograms, percentilesOf } from '../stats/histogram.ts'
import { closedLoop, isSteady } from './closed-loop.ts'
import { openLoop } from './open-loop.ts'

/** Answers at once, except for one stall of a second after `afterRequests` requests. */
function stallsOnce(afterRequests: number): RequestListener {
  let count = 0
  let until = 0
  return (_request, response) => {
    if (++count === afterRequests) until = performance.now() + 1000
    setTimeout(() => response.end('ok'), Math.max(0, until - performance.now()))
  }
}

t.test('the open loop shows a stall of one second in p99, a closed loop hides it', async (t) => {
  const { origin } = await listen(t, stallsOnce(100))
  const open = await openLoop({ origin, ratePerSecond: 200, durationMs: 3000, requests: [{ path: '/' }] })
  const histogram = mergeHistograms([open.histogram])
  const { p99, max } = percentilesOf(histogram)
  t.equal(open.sent, 600)
  t.equal(histogram.totalCount, 600, 'every request has a latency, including late ones')
  t.equal(open.errors, 0)
  t.ok(p99 > 700, `p99 ${p99} ms: about 200 of 600 requests were due during the stall`)
  t.ok(max >= 900, `the slowest waited for the whole stall: ${max} ms`)

  // The same stall for a caller that waits for each reply: one slow request out of many.
  const again = await listen(t, stallsOnce(100))
  let slow = 0
  for (let asked = 0; asked < 400; asked++) {
    const began = performance.now()
    await (await fetch(again.origin)).arrayBuffer()
    if (performance.now() - began > 500) slow++
  }
  // One, or more on a busy machine: a closed loop sends nothing during the stall.
  t.ok(slow >= 1 && slow < 20, `${slow} slow requests of 400`)
})

t.test('failed requests and lost connections are counted as errors', async (t) => {
  let count = 0
  const { origin } = await listen(t, (request, response) => {
    count++
    if (count % 10 === 0) request.socket.destroy()
    else response.writeHead(count % 10 === 5 ? 503 : 200).end()
  })
  const { sent, errors, failures } = await openLoop({
    origin,
    ratePerSecond: 200,
    durationMs: 500,
    requests: [{ path: '/' }],
  })
  t.equal(sent, 100)
  t.ok(errors >= 18 && errors <= 22, `${errors} errors`)
  const { connection = 0, 503: unavailable = 0, ...others } = failures
  t.ok(connection >= 9 && unavailable >= 9, `${connection} lost, ${unavailable} refused`)
  t.same([connection + unavailable, others], [errors, {}])
})

t.test(
  'a request that gets no reply within its limit counts as a timeout, and delays no other',
  async (t) => {
    let count = 0
    const { origin } = await listen(t, (_request, response) => {
      if (++count % 10 !== 0) response.end()
    })
    const { sent, failures, histogram } = await openLoop({
      origin,
      ratePerSecond: 200,
      durationMs: 500,
      requests: [{ path: '/' }],
      timeoutMs: 2_000,
    })
    const { max } = percentilesOf(mergeHistograms([histogram]))
    t.equal(sent, 100)
    t.ok((failures.timeout ?? 0) >= 9 && (failures.timeout ?? 0) <= 11, JSON.stringify(failures))
    t.ok(max >= 1_999, `at most ${max} ms`)
  },
)

t.test('requests are spread over replicas, and go to the others when one is dead', async (t) => {
  const counts = [0, 0]
  const count = (index: number) =>
    listen(t, (_request, response) => {
      counts[index] = (counts[index] ?? 0) + 1
      response.end()
    })
  const [first, second] = [await count(0), await count(1)]
  const load = { ratePerSecond: 200, durationMs: 500, requests: [{ path: '/' }] }
  const both = await openLoop({ ...load, origin: first.origin, otherOrigins: [second.origin] })
  t.same([both.sent, both.errors], [100, 0])
  t.ok(
    counts.every((each) => each >= 30),
    `each gets its part: ${counts}`,
  )
  const one = await openLoop({ ...load, origin: 'http://127.0.0.1:1', otherOrigins: [second.origin] })
  t.ok((one.failures.connection ?? 0) > 0 && one.errors < 60, `${one.errors} of 100 failed`)
})

t.test('replies are counted by x-cache, requests are sent in order', async (t) => {
  const paths: string[] = []
  const { origin } = await listen(t, (request, response) => {
    paths.push(`${request.method} ${request.url}`)
    response.setHeader('x-cache', request.url === '/a' ? 'l1' : 'miss').end()
  })
  const requests = [{ path: '/a' }, { path: '/b', method: 'POST', body: '{}' }] as const
  const { cache } = await openLoop({ origin, ratePerSecond: 100, durationMs: 400, requests })
  t.same(cache, { l1: 20, miss: 20 })
  t.ok(paths.includes('POST /b'))
})

t.test('the closed loop counts replies and failures', async (t) => {
  let count = 0
  const seen = new Set<string | undefined>()
  const { origin } = await listen(t, (request, response) => {
    seen.add(request.url)
    response.writeHead(++count % 50 === 0 ? 500 : 200).end('x'.repeat(100))
  })
  const requests = Array.from({ length: 40 }, (_, i) => ({ path: `/${i}` }))
  const options = { origin, connections: 4, durationMs: 600, requests }
  let result = await closedLoop(options)
  // A machine that stands still for this time sends too few.
  for (let again = 0; again < 5 && (seen.size < 40 || count < 100); again++) {
    count = 0
    result = await closedLoop(options)
  }
  t.ok(result.rate > 0)
  t.ok(result.answered > 0 && result.answered <= count)
  t.ok(result.errors > 0 && Math.abs(result.errors - count / 50) <= 5)
  t.ok(result.bytesPerRequest > 100)
  t.equal(seen.size, 40, 'all requests were sent, distributed over the connections')
})

t.test('warm-up ends when two quarters of a second have similar rates', async (t) => {
  t.notOk(isSteady([]))
  t.notOk(isSteady([100, 100]), 'never before the third')
  t.notOk(isSteady([50, 80, 100]))
  t.ok(isSteady([50, 98, 100]))
  t.ok(isSteady([50, 100, 96]))
})

t.test('the curve ends at the highest percentile that the samples support', async (t) => {
  const { origin } = await listen(t, (_request, response) => response.end())
  const { histogram } = await openLoop({
    origin,
    ratePerSecond: 500,
    durationMs: 400,
    requests: [{ path: '/' }],
  })
  const curve = curveOf(mergeHistograms([histogram]))
  t.ok(
    curve.every(([, ms], i) => ms >= (curve[i - 1]?.[1] ?? 0)),
    'never falls',
  )
  t.ok((curve.at(-1)?.[0] ?? 0) >= 99)
  t.ok((curve.at(-1)?.[0] ?? 0) <= 99.5, 'two hundred samples support no percentile above 99.5')
})
