import { setTimeout as sleep } from 'node:timers/promises'
import type { OpenSide } from '../duet/sides.ts'
import type { LatencySlice } from '../duet/slice.ts'
import type { Observations } from '../proofs/proof.ts'
import { type Counters, type DatabaseCosts, readCounters, totalsBetween } from '../stack/counters.ts'
import { databaseName } from '../stack/stack.ts'
import type { Bench } from './bench.ts'
import { countRequests } from './count-requests.ts'
import type { RunningVariant } from './running-variant.ts'
import type { Scenario } from './scenario.ts'

/** What is known about a variant besides its speed. */
export interface ObservedVariant {
  readonly costs: DatabaseCosts
  readonly responseBytes: number
  /** The established facts, in words. */
  readonly proof: readonly string[]
}

interface Reading {
  readonly database: Counters
  readonly counted: Readonly<Record<string, number>>
}

const OBSERVED_MS = 300
/** The exporter of traces sends a batch every 5 s. */
const OBSERVED_WITH_TRACES_MS = 6000
const COUNTED_REQUESTS = 50

/**
 * Counts the cost of a request and proves that the variant is what it claims to be. The variants beside it have no load
 * meanwhile.
 *
 * @param latencies of the variant at the fixed rate
 * @throws UnprovenError when a proof of the variant fails
 */
export async function observeVariant(
  bench: Bench,
  scenario: Scenario,
  {
    running,
    side,
    latencies,
  }: { running: RunningVariant; side: OpenSide; latencies: readonly LatencySlice[] },
): Promise<ObservedVariant> {
  const { variant, requests, server, origin, stack, databaseUrl } = running
  const observedMs =
    side.sliceMs ?? (variant.tracesKept === undefined ? OBSERVED_MS : OBSERVED_WITH_TRACES_MS)
  const before = await read(running)
  const [slice, sessions] = await Promise.all([side.load(observedMs), countSessions(running, observedMs)])
  const after = await read(running)
  await variant.before?.(stack, origin)
  const counted = await countRequests(running, requests, scenario.counted ?? COUNTED_REQUESTS)
  const answered = Math.max(1, slice.answered)
  const observed: Observations = {
    ...counted,
    loadCache: tallyOf(latencies),
    load: { answered, ...totalsBetween(before.database, after.database, answered) },
    loadReadsPerRequest: (after.database.redisReads - before.database.redisReads) / answered,
    sidecar: differencePerRequest(before.counted, after.counted, answered),
    sessions,
  }
  const target = { origin, pid: server.pid, stack, databaseUrl, request: requests[0] ?? { path: '/' } }
  const proof: string[] = []
  for (const prove of variant.proofs) proof.push(await prove(observed, target))
  bench.signal.throwIfAborted()
  return { costs: counted.costs, responseBytes: slice.bytes / answered, proof }
}

async function read({ stack, databaseUrl, counted }: RunningVariant): Promise<Reading> {
  const database = await readCounters(stack, databaseUrl)
  const counters = await Promise.all(counted.map((each) => each.counters()))
  return { database, counted: Object.assign({}, ...counters) }
}

/**
 * The highest number of sessions that were active since the load began, from three readings during it. The variants beside this
 * one have idle sessions on the same database.
 */
async function countSessions({ stack, databaseUrl }: RunningVariant, durationMs: number): Promise<number> {
  const { admin } = stack
  const name = databaseName(databaseUrl)
  const [{ began } = { began: '' }] = await admin<
    { began: string }[]
  >`SELECT clock_timestamp()::text AS began`
  let highest = 0
  for (let i = 0; i < 3; i++) {
    await sleep(durationMs / 4)
    const [{ sessions } = { sessions: 0 }] = await admin<{ sessions: number }[]>`
      SELECT count(*)::int AS sessions FROM pg_stat_activity
      WHERE datname = ${name} AND query_start > ${began}::timestamptz`
    highest = Math.max(highest, sessions)
  }
  return highest
}

function tallyOf(latencies: readonly LatencySlice[]): Record<string, number> {
  const tally: Record<string, number> = {}
  for (const { cache } of latencies)
    for (const [tier, count] of Object.entries(cache)) tally[tier] = (tally[tier] ?? 0) + count
  return tally
}

function differencePerRequest(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
  requests: number,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(after).map(([name, now]) => [name, (now - (before[name] ?? 0)) / requests]),
  )
}
