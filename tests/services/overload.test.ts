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
/**
 * The long form of .ci/nightly, which runs alone: 60, and also without the limit, where only the queue for connections refuses. It alone
 * counts goodput: beside other tests the capacity is what they leave.
 */
const SECONDS = Number(process.env.OVERLOAD_SECONDS ?? 3)
const IS_LONG = SECONDS > 3
const LIMITS = IS_LONG ? ['on', 'off'] : ['on']
const PATIENCE_MS = IS_LONG ? 1_000 : 5_000
/** An orchestrator ends a process after three probes in a row have failed. */
const MOST_FAILED_PROBES = IS_LONG ? 0 : 2

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
      const began = performance.now()
      const probing = probe(origin)
      const overload = await load(3 * CAPACITY, SECONDS)
      const probes = await probing.stop()
      await until('nothing is in flight', async () => (await inFlight(origin)) === 0)
      const inserted = (await countOrders()) - before
      checkOverload(t, overload, inserted, limit)
      if (limit === 'on')
        t.ok((await refusedByLimit(origin)) > 0, 'the limit refuses, not the queue behind it')
      t.ok(
        Object.values(probes).every((failed) => failed <= MOST_FAILED_PROBES),
        `probes that failed in a row: ${JSON.stringify(probes)}`,
      )

      await sleep(500)
      const isGood = async () => {
        const { good, sent } = await load(0.5 * CAPACITY, 1)
        return good >= 0.95 * sent
      }
      if (IS_LONG) t.ok(await isGood(), 'orders are taken after the overload')
      else await until('orders are taken after the overload', isGood)
      const seconds = Math.ceil((performance.now() - began) / 1000)
      const lines = service.output.text.split('\n').filter((line) => line.includes('refused'))
      t.ok(lines.length <= 4 + seconds, `${lines.length} lines for ${overload.refused} refusals`)
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
  t.ok(inserted >= good, `every acknowledged order is there: ${result}`)
  t.ok(inserted - good <= abandoned, `orders whose caller has left: ${result}`)
  t.ok(refused > 0, result)
  t.ok(good > 0 && abandoned < sent / 2, `refused, not kept waiting: ${result}`)
  if (!IS_LONG) return
  t.ok(good >= 0.5 * CAPACITY * SECONDS, `goodput is a good share of the capacity: ${result}`)
  // Orders that had begun when their caller left: at most one on each connection at a time.
  t.ok(inserted - good <= 0.25 * good + CONNECTIONS, `orders whose caller has left: ${result}`)
  if (limit === 'off') return
  const { p99 } = percentilesOf(mergeHistograms([histogram]))
  t.ok(p99 < PATIENCE_MS, `p99 ${p99} ms`)
  t.ok(abandoned < 0.05 * sent, `refused, not kept waiting: ${result}`)
}

async function metric(origin: string, line: RegExp): Promise<number> {
  const text = await (await fetch(`${origin}/metrics`)).text()
  return Number(line.exec(text)?.[1])
}

const inFlight = (origin: string) => metric(origin, /^db_pool_in_use\{pool="primary"\} (\d+)/m)
const refusedByLimit = (origin: string) =>
  metric(origin, /^http_overload_refused_total\{priority="write",reason="limit"\} (\d+)/m)

/** Counts the probes in a row that fail, or take longer than the patience of a caller. */
function probe(origin: string) {
  const failed: Record<string, number> = { '/health': 0, '/ready': 0 }
  const inARow: Record<string, number> = {}
  let isStopped = false
  const run = async () => {
    while (!isStopped) {
      for (const path of Object.keys(failed)) {
        const reply = await fetch(origin + path, { signal: AbortSignal.timeout(PATIENCE_MS) }).catch(
          () => undefined,
        )
        const count = reply?.status === 200 ? 0 : (inARow[path] ?? 0) + 1
        inARow[path] = count
        failed[path] = Math.max(failed[path] ?? 0, count)
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
