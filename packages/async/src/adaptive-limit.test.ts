import t from 'tap'
import { AdaptiveLimit } from './adaptive-limit.ts'
import { SimulatedServer } from './testing/simulated-server.ts'

const OPTIONS = { minimum: 64, maximum: 1000, initial: 256, slackMs: 10 }

/** 10 workers, 4 ms each: 2,500 requests a second. */
const SERVICE = { serviceMs: 4 }
const CAPACITY = 2_500
const createServer = (options: Partial<typeof OPTIONS & { workers: number }> = {}) =>
  new SimulatedServer({ workers: 10, ...OPTIONS, ...options })

t.test('below saturation nothing is refused', async (t) => {
  const server = createServer()
  const result = server.run({ seconds: 5, ratePerSecond: 0.9 * CAPACITY, ...SERVICE })
  t.match(result, { refused: 0, limit: 256 })
})

t.test(
  'at three times the rate of saturation the goodput is the capacity, and the latency stays bounded',
  async (t) => {
    const server = createServer()
    server.run({ seconds: 2, ratePerSecond: 0.5 * CAPACITY, ...SERVICE })
    server.run({ seconds: 1, ratePerSecond: 3 * CAPACITY, ...SERVICE })
    const { good, p99, limit } = server.run({ seconds: 10, ratePerSecond: 3 * CAPACITY, ...SERVICE })
    t.ok(good >= 0.99 * 10 * CAPACITY, `${good}`)
    t.ok(p99 <= 40, `${p99} ms`)
    t.ok(limit >= 64 && limit <= 100, `${limit}`)
  },
)

t.test('without a limit the same load is answered too late', async (t) => {
  const server = createServer({ minimum: 1e6, maximum: 1e6 })
  server.run({ seconds: 2, ratePerSecond: 3 * CAPACITY, ...SERVICE })
  const { good } = server.run({ seconds: 4, ratePerSecond: 3 * CAPACITY, ...SERVICE })
  t.equal(good, 0)
})

t.test('an overload that lasts does not raise the limit', async (t) => {
  const server = createServer()
  server.run({ seconds: 2, ratePerSecond: 0.5 * CAPACITY, ...SERVICE })
  server.run({ seconds: 5, ratePerSecond: 2 * CAPACITY, ...SERVICE })
  const { p50, limit } = server.run({ seconds: 40, ratePerSecond: 2 * CAPACITY, ...SERVICE })
  t.ok(p50 <= 40, `${p50} ms`)
  t.ok(limit <= 100, `${limit}`)
})

t.test('a start into an overload finds a bounded latency', async (t) => {
  const server = createServer()
  server.run({ seconds: 5, ratePerSecond: 3 * CAPACITY, ...SERVICE })
  const { good, p99 } = server.run({ seconds: 30, ratePerSecond: 3 * CAPACITY, ...SERVICE })
  t.ok(good >= 0.99 * 30 * CAPACITY, `${good}`)
  t.ok(p99 <= 500, `${p99} ms`)
})

t.test('a server with more workers gets a higher limit, up to the maximum', async (t) => {
  const server = createServer({ workers: 600 })
  const load = { seconds: 10, serviceMs: 100 }
  server.run({ ...load, ratePerSecond: 1000 })
  const { refused, limit } = server.run({ ...load, ratePerSecond: 5_000 })
  t.ok(limit >= 500, `${limit}`)
  t.ok(refused < 2_000, `${refused}`)
  t.equal(server.run({ ...load, seconds: 3, ratePerSecond: 50_000 }).limit <= 1000, true)
})

t.test('when the work itself becomes slower, quiet windows raise the normal latency', async (t) => {
  let now = 0
  const limit = new AdaptiveLimit({ ...OPTIONS, now: () => now })
  const series = limit.series()
  const run = (count: number, ms: number, pressure: number) => {
    for (let n = 0; n < count; n++) {
      now += 10
      limit.ended(series, ms, pressure)
    }
  }
  run(200, 5, 0.01)
  t.equal(series.normalMs, 5)
  run(2_000, 50, 0.01)
  t.ok(Math.abs((series.normalMs ?? 0) - 50) < 1, `${series.normalMs}`)
  run(2_000, 500, 1)
  t.ok((series.normalMs ?? 0) < 51, 'a loaded window does not raise it')
  t.equal(limit.limit, 64)
})

t.test('after the overload the limit returns to its initial value within a minute', async (t) => {
  const server = createServer()
  server.run({ seconds: 2, ratePerSecond: 0.5 * CAPACITY, ...SERVICE })
  server.run({ seconds: 10, ratePerSecond: 3 * CAPACITY, ...SERVICE })
  const after = server.run({ seconds: 2, ratePerSecond: 0.5 * CAPACITY, ...SERVICE })
  t.equal(after.refused, 0)
  t.ok(after.p99 <= 50, `${after.p99}`)
  t.ok(server.run({ seconds: 30, ratePerSecond: 0.5 * CAPACITY, ...SERVICE }).limit > 240)
})

t.test('work of different kinds is compared with its own normal latency', async (t) => {
  let now = 0
  const limit = new AdaptiveLimit({ ...OPTIONS, now: () => now })
  const [row, report] = [limit.series(), limit.series()]
  const run = (ms: number) => {
    for (let n = 0; n < 500; n++) {
      now += 10
      limit.ended(n % 2 === 0 ? row : report, n % 2 === 0 ? ms : 400, n < 100 ? 0.01 : 1)
    }
  }
  run(2)
  t.ok(limit.limit > 256, 'slow reports beside fast rows are no queue')
})
