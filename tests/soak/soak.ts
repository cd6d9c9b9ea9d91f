import { delay } from '@reference/async'
import { type TestScope, testDatabase, testRedis } from '@reference/local-stack'
import { Redis } from 'ioredis'
import postgres from 'postgres'
import { audit, startLedger } from '../testing/ledger.ts'
import { capacity, type Failure, type LoadResult, percentile, startLoad } from '../testing/load.ts'
import { type ObservedService, startObserved } from '../testing/vitals.ts'
import type { Measure, Sample } from './judge.ts'
import { parallelReads, referenceReads, startLeavers } from './traffic.ts'

/** The load as a share of what the services can answer. */
const SHARE_OF_CAPACITY = 0.6
/** The part of the reads that goes to the parallel-api, whose calls cost many statements each. */
const PARALLEL_SHARE = 0.04
/** Clients that leave, as a share of the requests; at most as many as a test process can send beside them. */
const LEAVERS_SHARE = 0.2
const MOST_LEAVERS_PER_SECOND = 20
/** Of a short run, at most: each collects the garbage of both processes. */
const SAMPLES = 10

export interface Soak {
  /** Of the reference-api and of the parallel-api. */
  readonly samples: Readonly<Record<'reference' | 'parallel', readonly Sample[]>>
  readonly ratePerSecond: number
  readonly sent: number
  readonly failures: readonly Failure[]
  /** In milliseconds, of the first and the second half. */
  readonly p99: readonly [first: number, second: number]
  readonly left: number
  readonly acknowledged: number
  readonly writesFailed: number
  readonly lost: readonly string[]
  readonly stale: readonly string[]
}

/** The load before the first sample: connections are opened, code is compiled, caches are filled. */
const WARM_UP_SECONDS = 4

interface SoakOptions {
  readonly seconds: number
  /** The load; a share of the capacity that is measured first unless given. */
  readonly requestsPerSecond?: number
  /** Modules that both services load before their own. */
  readonly imports?: readonly string[]
}

/** Both services, with a database and a Redis of their own, under a steady load for the time given. */
export async function soak(
  t: TestScope,
  { seconds, requestsPerSecond, imports = [] }: SoakOptions,
): Promise<Soak> {
  const { services, origins, stores, sql } = await start(t, imports)
  const ratePerSecond = requestsPerSecond ?? (await shareOfCapacity(origins))
  await loadFor(WARM_UP_SECONDS, origins, ratePerSecond)
  const leavers = startLeavers(
    origins.reference,
    Math.min(MOST_LEAVERS_PER_SECOND, ratePerSecond * LEAVERS_SHARE),
  )
  const ledger = startLedger(origins.reference, {}, { pauseMs: 150 })
  const sampler = startSampler(services, stores, Math.min(10, seconds / SAMPLES))
  const halves: LoadResult[] = []
  for (let half = 0; half < 2; half++) halves.push(await loadFor(seconds / 2, origins, ratePerSecond))
  const samples = await sampler.stop()
  await ledger.stop()
  const left = leavers.stop()
  const ask = async (text: string) =>
    (await sql.unsafe(text).values()).map((row) => row.join('\t')).join('\n')
  const audits = [
    await audit(ledger, origins.reference, ask, ['']),
    await audit(ledger, origins.parallel, ask, ['']),
  ]
  const [first, second] = halves
  return {
    samples,
    ratePerSecond,
    sent: halves.reduce((sum, { sent }) => sum + sent, 0),
    failures: halves.flatMap(({ failures }) => failures),
    p99: [percentile(first?.latencies ?? [], 0.99), percentile(second?.latencies ?? [], 0.99)],
    left,
    acknowledged: ledger.acknowledged,
    writesFailed: ledger.failed.length,
    lost: audits.flatMap(({ lost }) => lost),
    stale: audits.flatMap(({ stale }) => stale),
  }
}

async function shareOfCapacity({ reference }: Origins): Promise<number> {
  const most = await capacity(reference, referenceReads, { warmUpMs: 4000, forMs: 4000 })
  return Math.max(50, Math.round(most * SHARE_OF_CAPACITY))
}

interface Origins {
  readonly reference: string
  readonly parallel: string
}

/** Reads of both services at a fixed rate. */
async function loadFor(seconds: number, origins: Origins, ratePerSecond: number): Promise<LoadResult> {
  const toParallel = Math.max(2, ratePerSecond * PARALLEL_SHARE)
  const loads = [
    startLoad(origins.reference, ratePerSecond - toParallel, referenceReads),
    startLoad(origins.parallel, toParallel, parallelReads),
  ]
  await delay(seconds * 1000)
  const results = await Promise.all(loads.map((load) => load.stop()))
  return {
    sent: results.reduce((sum, { sent }) => sum + sent, 0),
    failures: results.flatMap(({ failures }) => failures),
    latencies: results.flatMap(({ latencies }) => latencies).sort((a, b) => a - b),
  }
}

/** The number of connections to a data store by the name of its client. */
interface Stores {
  postgres(name: string): Promise<number>
  redis(): Promise<number>
}

type Services = Readonly<Record<'reference' | 'parallel', ObservedService>>

async function start(t: TestScope, imports: readonly string[]) {
  const [database, redis] = [await testDatabase(t), await testRedis(t, { own: true })]
  const settings = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    // Rows expire and are evicted during the run, so that each tier answers.
    CACHE_L1_MAX_ENTRIES: '1000',
    CACHE_TTL_SECONDS: '5',
    RESPONSE_CACHE_TTL_SECONDS: '5',
  }
  const reference = startObserved(t, 'reference-api', settings, { imports })
  const origin = await reference.listening()
  const parallel = startObserved(t, 'parallel-api', { ...settings, UPSTREAM_URL: origin }, { imports })
  const origins: Origins = { reference: origin, parallel: await parallel.listening() }
  const sql = postgres(database.superuserUrl, { max: 1, onnotice: () => {} })
  const client = new Redis(redis.url)
  t.teardown(async () => {
    client.disconnect()
    await sql.end()
  })
  const stores: Stores = {
    async postgres(name) {
      const [row] = await sql<{ count: number }[]>`
        select count(*)::int as count from pg_stat_activity
        where datname = current_database() and application_name like ${`${name}%`}`
      return row?.count ?? 0
    },
    redis: async () => Number(/^connected_clients:(\d+)/m.exec(await client.info('clients'))?.[1]),
  }
  const services: Services = { reference, parallel }
  return { services, origins, stores, sql }
}

/** Takes a sample of each service at an interval, until it is stopped. */
function startSampler(services: Services, stores: Stores, everySeconds: number) {
  const samples = { reference: [] as Sample[], parallel: [] as Sample[] }
  const began = performance.now()
  let stopped = false
  const sampling = (async () => {
    while (!stopped) {
      for (const name of ['reference', 'parallel'] as const) {
        const values = await valuesOf(services[name], stores, `${name}-api`)
        samples[name].push({ seconds: (performance.now() - began) / 1000, values })
      }
      await delay(everySeconds * 1000)
    }
  })()
  return {
    async stop() {
      stopped = true
      await sampling
      return samples
    },
  }
}

async function valuesOf(
  service: ObservedService,
  stores: Stores,
  name: string,
): Promise<Record<Measure, number>> {
  const { heapBytes, externalBytes, rssBytes, resources, sockets, files } = await service.vitals()
  return {
    heapMb: heapBytes / 1e6,
    externalMb: externalBytes / 1e6,
    rssMb: rssBytes / 1e6,
    handles: Object.values(resources).reduce((sum, count) => sum + count, 0),
    sockets,
    files,
    postgresConnections: await stores.postgres(name),
    redisConnections: await stores.redis(),
  }
}
