import { setTimeout as sleep } from 'node:timers/promises'
import { Failure } from './failure.ts'

/** Asks until the answer is true; fails after the limit with what was waited for. */
export async function waitFor(
  what: string,
  limitMs: number,
  condition: () => Promise<boolean>,
  everyMs = 500,
): Promise<void> {
  const until = performance.now() + limitMs
  while (!(await condition())) {
    if (performance.now() > until) throw new Failure(`${what}: not within ${limitMs / 1000} s`)
    await sleep(everyMs)
  }
}
