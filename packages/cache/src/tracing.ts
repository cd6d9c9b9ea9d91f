import { channel } from 'node:diagnostics_channel'

/** Published on `reference:cache.call` before a call of tier 2. The subscriber sets `end`, which is called when the call ends. */
export interface TracedCall {
  readonly operation: string
  end(error?: unknown): void
}

// biome-ignore lint/suspicious/noExplicitAny: of any operation, whose own types stay
type Operation = (...args: any[]) => Promise<unknown>

/**
 * Publishes each call of the operations on a diagnostics channel, if it has a subscriber when the cache is created;
 * otherwise returns the object as it is. Operations are traced and not Redis commands: the calls of several readers share
 * a command, and only the operation runs in the async context of its own reader.
 */
export function traced<Name extends string, Target extends Record<Name, Operation>>(
  target: Target,
  operations: readonly Name[],
): Pick<Target, Name> {
  const calls = channel('reference:cache.call')
  if (!calls.hasSubscribers) return target
  const wrap = (operation: Name): Operation => {
    return async (...args) => {
      const call: TracedCall = { operation, end: () => {} }
      calls.publish(call)
      try {
        const result = await target[operation](...args)
        call.end()
        return result
      } catch (error) {
        call.end(error)
        throw error
      }
    }
  }
  return Object.fromEntries(operations.map((name) => [name, wrap(name)])) as unknown as Pick<Target, Name>
}
