import { setTimeout as sleep } from 'node:timers/promises'
import { type ImpatientResult, impatientLoop } from '@reference/bench/load'
import { mergeHistograms, percentilesOf } from '@reference/bench/stats'
import { startService, testDatabase, until } from '@reference/local-stack'
import postgres from 'postgres'
import t, { type Test } from 'tap'

// Three times as many orders as the database can take, from callers that give up. Each order takes 40 ms on one of four connections, so
// the capacity is 100/s on every machine, and a service without limits would soon answer only callers that have left.

const SERVICE_MS = 40
const CONNECTIONS = 4
const CAPACITY = (1000 / SERVICE_MS) * CONNECTIONS
const PATIENCE_MS = 1_000
/** The long form of .ci/nightly: 60, and also without the limit, where only the queue for connections refuses. */
const SECONDS = Number(process.env.OVERLOAD_SECONDS ?? 3)
const LIMITS = SECONDS > 3 ? ['on', 'off'] : ['on']

t.setTimeout(90_000 + 3_000 * SECONDS)

const ORDER = {
  method: 'POST' as const,
  path: '/orders',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ userId: 1, productId: 1, quantity: 1 }),
}

for (const limit of LIMITS) {
  t.test(
    `with the limit ${limit}, goodput survives an overload, and requests of clients that left do not run`,
    { timeout: 60_000 + 1_500 * SECONDS },
    async (t) => {
      const database = await testDatabase(t)
      const sql = postgres(database.superuserUrl, { max: 1, onnotice: () => {} })
      t.teardown(() => sql.end())
      await sql.unsafe(`
        create function take_time() returns trigger language plpgsql as
          $$ begin perform pg_sleep(${SERVICE_MS / 1000}); return new; end $$;
        create trigger take_time before insert on orders for each row execute function take_time()`)
      const service = startService(t, 'reference-api', {
        DATABASE_URL: database.url,
        DB_POOL_MAX: String(CONNECTIONS),
        CONCURRENCY_LIMIT: limit,
        CONCURRENCY_LIMIT_MAX: '30',
      })
      const origin = await service.listening()
      const load = (ratePerSecond: number, seconds: number) =>
        impatientLoop({
          origin,
          ratePerSecond,
          durationMs: seconds * 1000,
          requests: [ORDER],
          patienceMs: PATIENCE_MS,
        })
      await load(0.5 * CAPACITY, 1)
      const countOrders = async () =>
        (await sql<{ count: number }[]>`select count(*)::int as count from orders`)[0]?.count ?? 0

      const before = await countOrders()
      const probing = probe(origin)
      const overload = await load(3 * CAPACITY, SECONDS)
      const probes = await probing.stop()
      await until('nothing is in flight', async () => (await inFlight(origin)) === 0)
      const inserted = (await countOrders()) - before
      checkOverload(t, overload, inserted, limit)
      t.same(probes, { '/health': 0, '/ready': 0 }, 'probes that failed')

      await sleep(500)
      const after = await load(0.5 * CAPACITY, 1)
      t.ok(after.good >= 0.95 * after.sent, `${after.good} of ${after.sent} after the overload`)
      const lines = service.output.text.split('\n').filter((line) => line.includes('refused'))
      t.ok(lines.length <= 4 + SECONDS, `${lines.length} lines for ${overload.refused} refusals`)
    },
  )
}

function checkOverload(
  t: Test,
  { sent, good, refused, abandoned, failed, histogram }: ImpatientResult,
  inserted: number,
  limit: string,
): void {
  const result = `${JSON.stringify({ sent, good, refused, abandoned, failed, inserted })}`
  t.equal(sent, good + refused + abandoned + failed, result)
  t.equal(failed, 0, result)
  t.ok(good >= 0.5 * CAPACITY * SECONDS, `goodput is a good share of the capacity: ${result}`)
  t.ok(inserted >= good, `every acknowledged order is there: ${result}`)
  // Orders that had begun when their caller left: at most one on each connection at a time.
  t.ok(
    inserted - good <= abandoned && inserted - good <= 0.25 * good + CONNECTIONS,
    `orders whose caller has left: ${result}`,
  )
  t.ok(refused > 0, result)
  if (limit === 'off') return
  const { p99 } = percentilesOf(mergeHistograms([histogram]))
  t.ok(p99 < PATIENCE_MS, `p99 ${p99} ms`)
  t.ok(abandoned < 0.05 * sent, `refused, not kept waiting: ${result}`)
}

async function inFlight(origin: string): Promise<number> {
  const text = await (await fetch(`${origin}/metrics`)).text()
  return Number(/^db_pool_in_use\{pool="primary"\} (\d+)/m.exec(text)?.[1])
}

/** Counts the probes that fail, or take longer than a second. */
function probe(origin: string) {
  const failed: Record<string, number> = { '/health': 0, '/ready': 0 }
  let isStopped = false
  const run = async () => {
    while (!isStopped) {
      for (const path of Object.keys(failed)) {
        const reply = await fetch(origin + path, { signal: AbortSignal.timeout(1_000) }).catch(
          () => undefined,
        )
        if (reply?.status !== 200) failed[path] = (failed[path] ?? 0) + 1
        await reply?.arrayBuffer()
      }
      await sleep(100)
    }
  }
  const running = run()
  return {
    async stop() {
      isStopped = true
      await running
      return failed
    },
  }
}
