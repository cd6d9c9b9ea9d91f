import type { ServerResponse } from 'node:http'
import t from 'tap'
import { listen } from '../../testing/listen.ts'
import { mergeHistograms } from '../stats/histogram.ts'
import { impatientLoop } from './impatient-loop.ts'

const OPTIONS = { ratePerSecond: 200, durationMs: 1000, patienceMs: 5_000 }
const paths = (...names: string[]) => names.map((path) => ({ path }))

t.test('counts each reply by what the caller got', async (t) => {
  const { origin } = await listen(t, (request, response) => {
    if (request.url === '/lost') request.socket.destroy()
    else response.writeHead(Number(request.url?.slice(1))).end('x')
  })
  const result = await impatientLoop({ origin, requests: paths('/200', '/503', '/500', '/lost'), ...OPTIONS })
  t.match(result, { sent: 200, good: 50, refused: 50, abandoned: 0, failed: 100 })
  t.equal(mergeHistograms([result.histogram]).totalCount, 50)
  const due = result.buckets.reduce((sum, bucket) => sum + bucket.due, 0)
  const good = result.buckets.reduce((sum, bucket) => sum + bucket.good, 0)
  t.same([due, good], [200, 50])
})

t.test('a caller whose patience has ended closes its connection, and the others are answered', async (t) => {
  let left = 0
  const { origin } = await listen(t, (request, response) => {
    if (request.url === '/quick') response.end('x')
    else response.on('close', () => left++)
  })
  const result = await impatientLoop({
    origin,
    requests: paths('/quick', '/never'),
    ...OPTIONS,
    durationMs: 500,
    patienceMs: 4_000,
  })
  t.match(result, { sent: 100, abandoned: 50, refused: 0, failed: 0 })
  t.equal(result.good, 50)
  while (left < 50) await new Promise(setImmediate)
})

t.test('a request that waits does not delay the ones that follow it', async (t) => {
  const waiting: ServerResponse[] = []
  const { origin } = await listen(t, (_request, response) => {
    waiting.push(response)
    // The first is answered when the last has arrived.
    if (waiting.length === 200) for (const each of waiting) each.end('x')
  })
  const { good } = await impatientLoop({ origin, requests: paths('/'), ...OPTIONS, patienceMs: 10_000 })
  t.same([waiting.length, good], [200, 200])
})
