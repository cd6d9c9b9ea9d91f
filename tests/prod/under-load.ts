import { setTimeout as sleep } from 'node:timers/promises'
import { type Call, type LoadResult, percentile, reads, startLoad } from './load.ts'
import { tell, theProduction } from './production.ts'

const { origin, rate, told } = theProduction()

/** Reads of both APIs while something is done to them; says what came of it, and of each failure what nginx logged. */
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
  tell(
    `${what}: ${sent} requests, ${failures.length} failed; p50 ${percentile(latencies, 0.5)} ms, p99 ${percentile(latencies, 0.99)} ms, longest ${percentile(latencies, 1)} ms`,
  )
  for (const line of await told(failures)) tell(line)
  return result
}
