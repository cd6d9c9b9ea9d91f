import { channel } from 'node:diagnostics_channel'

/** What a subscriber to `reference:cache.call` is told before a call of tier 2. It sets `end` to hear how it ended. */
export interface TracedCall {
  readonly operation: string
  end(error?: unknown): void
}

// biome-ignore lint/suspicious/noExplicitAny: of any operation, whose own types stay
type Operation = (...args: any[]) => Promise<unknown>

/**
 * Tells of each operation on a diagnostics channel, if anybody listened when the cache was made; otherwise the operations
 * are handed back as they are. Tells it here, not at the commands: commands of several callers go out together, and
 * only here is each still in the context of its own.
 */
export function traced<Operations extends Record<string, Operation>>(operations: Operations): Operations {
  const calls = channel('reference:cache.call')
  if (!calls.hasSubscribers) return operations
  const wrap = (operation: string, run: Operation): Operation => {
    return async (...args) => {
      const call: TracedCall = { operation, end: () => {} }
      calls.publish(call)
      try {
        const result = await run(...args)
        call.end()
        return result
      } catch (error) {
        call.end(error)
        throw error
      }
    }
  }
  const entries = Object.entries(operations).map(([name, run]) => [name, wrap(name, run)])
  return Object.fromEntries(entries) as Operations
}
