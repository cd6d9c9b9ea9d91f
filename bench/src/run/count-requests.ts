import { setTimeout as sleep } from 'node:timers/promises'
import { request as sendRequest } from 'undici'
import type { Request } from '../load/request.ts'
import type { Observations } from '../proofs/proof.ts'
import { type Counters, costsBetween, readCounters, totalsBetween } from '../stack/counters.ts'
import { connectionsOpened } from '../stack/process-stats.ts'
import type { BenchStack } from '../stack/stack.ts'
import type { RunningVariant } from './running-variant.ts'

type Counted = Pick<
  Observations,
  'cache' | 'encoding' | 'status' | 'server' | 'costs' | 'connectionsPerRequest' | 'logBytesPerRequest'
>

/** Sends requests one by one and reads the counters of the databases, the log and the kernel before and after. */
export async function countRequests(
  { server, origin, databaseUrl, stack }: RunningVariant,
  requests: readonly Request[],
  times: number,
): Promise<Counted> {
  const tallies = { cache: {}, encoding: {}, status: {}, server: {} }
  const countersBefore = await readIdleCounters(stack, databaseUrl)
  const connectionsBefore = connectionsOpened()
  const logBefore = server.logBytes()
  for (let i = 0; i < times; i++) {
    const { path, method = 'GET', headers, body } = requests[i % requests.length] ?? { path: '/' }
    const reply = await sendRequest(`${origin}${path}`, {
      method,
      ...(headers && { headers: { ...headers } }),
      ...(body !== undefined && { body }),
    })
    await reply.body.dump()
    increment(tallies.status, String(reply.statusCode))
    increment(tallies.encoding, String(reply.headers['content-encoding'] ?? 'identity'))
    increment(tallies.server, String(reply.headers.server ?? 'none'))
    const tier = reply.headers['x-cache']
    if (typeof tier === 'string') increment(tallies.cache, tier)
  }
  const connectionsAfter = connectionsOpened()
  const countersAfter = await readCounters(stack, databaseUrl)
  return {
    ...tallies,
    costs: costsBetween(countersBefore, countersAfter, times),
    connectionsPerRequest:
      connectionsBefore === undefined || connectionsAfter === undefined
        ? undefined
        : (connectionsAfter - connectionsBefore) / times,
    logBytesPerRequest: (server.logBytes() - logBefore) / times,
  }
}

/**
 * Reads the counters once the databases are idle. After the load, requests without a caller still wait in the service's
 * pool (seen with a pool of one: 64 queries ran during the count).
 */
async function readIdleCounters(stack: BenchStack, databaseUrl: string): Promise<Counters> {
  let before = await readCounters(stack, databaseUrl)
  for (let i = 0; i < 50; i++) {
    await sleep(40)
    const now = await readCounters(stack, databaseUrl)
    // A background poll may run at any time.
    const { statements, commands } = totalsBetween(before, now, 1)
    if (statements <= 2 && commands <= 2) return now
    before = now
  }
  return before
}

function increment(tally: Record<string, number>, key: string): void {
  tally[key] = (tally[key] ?? 0) + 1
}
