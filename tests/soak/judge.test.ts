import { createRandom } from '@reference/async/testing'
import t from 'tap'
import {
  driftFaults,
  latencyFaults,
  MEASURES,
  type Measure,
  type Sample,
  slopeOf,
  slopesOf,
} from './judge.ts'

/** Samples of a run of `seconds` with noise of ± 1 in each measure, which grow by `perMinute`. */
function samplesOf(
  { seconds, every, seed }: { seconds: number; every: number; seed: number },
  perMinute: Partial<Record<Measure, number>> = {},
): Sample[] {
  const random = createRandom(seed)
  return Array.from({ length: seconds / every }, (_, index) => {
    const at = index * every
    const values = MEASURES.map((name) => [name, 50 + random() * 2 - 1 + ((perMinute[name] ?? 0) * at) / 60])
    return { seconds: at, values: Object.fromEntries(values) as Sample['values'] }
  })
}

t.test('the slope of a line is exact, and its interval has no width', async (t) => {
  const { perMinute, low, high } = slopeOf([0, 10, 20, 30].map((x) => [x, 5 + x / 2]))
  for (const value of [perMinute, low, high]) t.ok(Math.abs(value - 30) < 1e-9)
})

t.test('the interval is that of the textbook', async (t) => {
  // Slope 0.6, residual variance 0.8 with three degrees of freedom, so ± 3.182 · sqrt(0.8 / 10).
  const { perMinute, low, high } = slopeOf([
    [1, 2],
    [2, 4],
    [3, 5],
    [4, 4],
    [5, 5],
  ])
  t.ok(Math.abs(perMinute / 60 - 0.6) < 1e-9)
  t.ok(Math.abs(high / 60 - (0.6 + 3.18245 * Math.sqrt(0.08))) < 1e-3)
  t.ok(Math.abs(low / 60 - (0.6 - 3.18245 * Math.sqrt(0.08))) < 1e-3)
})

t.test('noise is no drift, and a leak is found among noise, in the short and in the long form', async (t) => {
  for (let seed = 1; seed <= 50; seed++) {
    for (const form of [
      { seconds: 15, every: 0.75, seed },
      { seconds: 1800, every: 10, seed },
    ]) {
      t.same(driftFaults(slopesOf(samplesOf(form)), form.seconds), [])
    }
    const short = samplesOf({ seconds: 15, every: 0.75, seed }, { heapMb: 60, files: 50 })
    t.match(driftFaults(slopesOf(short), 15), [/^heapMb grows/, /^files grows/])
    // 50 bytes a request at 300 requests a second.
    const long = samplesOf({ seconds: 1800, every: 10, seed }, { heapMb: 0.9, postgresConnections: 1.2 })
    t.match(driftFaults(slopesOf(long), 1800), [/^heapMb grows/, /^postgresConnections grows/])
  }
})

t.test('a latency that rises is found', async (t) => {
  t.same(latencyFaults([10, 25]), [])
  t.same(latencyFaults([2, 90]), [])
  t.equal(latencyFaults([40, 160]).length, 1)
})
