import { AsyncLocalStorage } from 'node:async_hooks'
import { channel } from 'node:diagnostics_channel'

/** Published on `reference:cache.call` before a call of tier 2. The subscriber sets `end`, which is called when the call ends. */
export interface TracedCall {
  readonly operation: string
  end(error?: unknown): void
}

type Context = ReturnType<typeof AsyncLocalStorage.snapshot>

/** A part of a batch that belongs to one reader. */
export interface Traceable {
  /** The async context of the reader; undefined when nothing is traced, because a snapshot takes about a microsecond. */
  readonly context?: Context | undefined
}

// biome-ignore lint/suspicious/noExplicitAny: of any operation, whose own types stay
type Operation = (...args: any[]) => Promise<any>

const calls = channel('reference:cache.call')

/** The async context of the caller, if calls are traced. */
export const tracedContext = (): Context | undefined =>
  calls.hasSubscribers ? AsyncLocalStorage.snapshot() : undefined

/**
 * Publishes each call of the operations on a diagnostics channel, if it has a subscriber when the cache is created;
 * otherwise returns the object as it is. A batch serves several readers and runs in the async context of one of them: it is
 * published once for each reader, in the reader's own context.
 */
export function traced<
  Name extends string,
  BatchName extends string,
  Target extends Record<Name | BatchName, Operation>,
>(
  target: Target,
  operations: readonly Name[],
  batchOperations: readonly BatchName[],
): Pick<Target, Name | BatchName> {
  if (!calls.hasSubscribers) return target
  const single = (operation: Name): Operation => {
    return (...args) => ended([begin(operation, {})], target[operation](...args))
  }
  const batch = (operation: BatchName): Operation => {
    return (items: readonly Traceable[], ...args) => {
      const begun = items.map((item) => begin(operation, item))
      return ended(begun, target[operation](items, ...args))
    }
  }
  return Object.fromEntries([
    ...operations.map((name) => [name, single(name)]),
    ...batchOperations.map((name) => [name, batch(name)]),
  ]) as unknown as Pick<Target, Name | BatchName>
}

function begin(operation: string, { context }: Traceable): TracedCall {
  const call: TracedCall = { operation, end: () => {} }
  const publish = () => calls.publish(call)
  if (context === undefined) publish()
  else context(publish)
  return call
}

async function ended<T>(begun: readonly TracedCall[], work: Promise<T>): Promise<T> {
  try {
    const result = await work
    for (const call of begun) call.end()
    return result
  } catch (error) {
    for (const call of begun) call.end(error)
    throw error
  }
}
