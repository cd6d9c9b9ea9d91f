import { delay, type UntilOptions, until } from '@reference/async'
import { CommandError } from '@reference/cli'

/** @throws CommandError when it is interrupted; AppError when the condition does not hold in time */
export async function waitFor(
  what: string,
  condition: () => Promise<boolean>,
  { intervalMs = 500, ...options }: UntilOptions,
): Promise<void> {
  await interruptible(until(what, condition, { intervalMs, ...options }), options.signal)
}

/** @throws CommandError when it is interrupted */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await interruptible(delay(ms, { signal }), signal)
}

async function interruptible(wait: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  try {
    await wait
  } catch (error) {
    throw signal?.aborted ? new CommandError('interrupted') : error
  }
}
