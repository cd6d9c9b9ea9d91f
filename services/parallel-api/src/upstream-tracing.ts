import { channel } from 'node:diagnostics_channel'

/** What a subscriber to `reference:upstream.attempt` is told before one is sent. */
export interface TracedAttempt {
  readonly origin: string
  readonly path: string
  /** Sent with it; a subscriber may add to them. */
  readonly headers: Record<string, string>
  /** Set by a subscriber to hear how it ended. */
  end(error?: unknown, status?: number): void
}

/** Undefined when nobody listened as the client was made. */
export type BeginAttempt = (path: string, headers: Record<string, string>) => TracedAttempt

/** Told here and not by undici's own channels: those speak in the context of whoever made room in the pool. */
export function createTracing(origin: string): BeginAttempt | undefined {
  const attempts = channel('reference:upstream.attempt')
  if (!attempts.hasSubscribers) return undefined
  return (path, headers) => {
    const attempt: TracedAttempt = { origin, path, headers, end: () => {} }
    attempts.publish(attempt)
    return attempt
  }
}
