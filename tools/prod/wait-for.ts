import { setTimeout as sleep } from 'node:timers/promises'
import { CommandError } from '@reference/cli'

/** Asks until the answer is true; fails after the limit with what was waited for, and at once when it is interrupted. */
export async function waitFor(
  what: string,
  limitMs: number,
  condition: () => Promise<boolean>,
  { everyMs = 500, signal }: { everyMs?: number; signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const until = performance.now() + limitMs
  while (!(await condition())) {
    if (performance.now() > until) throw new CommandError(`${what}: not within ${limitMs / 1000} s`)
    await pause(everyMs, signal)
  }
}

/** @throws CommandError when it is interrupted */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { ...(signal && { signal }) })
  } catch {
    throw new CommandError('interrupted')
  }
}
