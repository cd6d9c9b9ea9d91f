import { channel } from 'node:diagnostics_channel'

/** What a subscriber to the diagnostics channel `reference:upstream.attempt` receives before an attempt is sent. */
export interface TracedAttempt {
  readonly origin: string
  readonly path: string
  /** The headers of the request; a subscriber may add to them. */
  readonly headers: Record<string, string>
  /** A subscriber replaces this to learn how the attempt ended. */
  end(error?: unknown, status?: number): void
}

/** Publishes an attempt; the result's `end` is called when it has ended. */
export type BeginAttempt = (path: string, headers: Record<string, string>) => TracedAttempt

/**
 * Own events instead of undici's channels, which are published in the context of the request that freed a connection of the
 * pool, so a span would get the wrong parent.
 *
 * @returns undefined when the channel has no subscriber as the client is made
 */
export function createTracing(origin: string): BeginAttempt | undefined {
  const attempts = channel('reference:upstream.attempt')
  if (!attempts.hasSubscribers) return undefined
  return (path, headers) => {
    const attempt: TracedAttempt = { origin, path, headers, end: () => {} }
    attempts.publish(attempt)
    return attempt
  }
}
