import { setTimeout as sleep } from 'node:timers/promises'
import { type Call, type LoadResult, percentile, reads, startLoad } from '../testing/load.ts'
import { report, theProduction } from './production.ts'

const { origin, rate, logLinesOf } = theProduction()

/** Sends reads to both APIs during an action, and reports the outcome, with nginx's log lines of each failure. */
export async function underLoad(
  what: string,
  action: () => Promise<void>,
  next: (index: number) => Call = reads,
): Promise<LoadResult> {
  const load = startLoad(origin, rate, next)
  try {
    await sleep(1000)
    await action()
    await sleep(1000)
  } finally {
    await load.stop()
  }
  const result = await load.stop()
  const { sent, failures, latencies } = result
  report(
    `${what}: ${sent} requests, ${failures.length} failed; p50 ${percentile(latencies, 0.5)} ms, p99 ${percentile(latencies, 0.99)} ms, longest ${percentile(latencies, 1)} ms`,
  )
  for (const line of await logLinesOf(failures)) report(line)
  return result
}
