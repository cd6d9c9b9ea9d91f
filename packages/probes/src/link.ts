import { abortable } from '@reference/async'
import { probeError } from './errors.ts'

/** An open connection to a system. */
export interface Link {
  /** One real command. Rejects when the system refuses it or the connection is lost. */
  ask(): Promise<unknown>
  /** Closes the connection at once, without waiting for the system. */
  destroy(): unknown
}

/**
 * Connects and logs in.
 *
 * @param signal when it aborts, close whatever was opened
 * @param onLost call it when the open connection is lost
 */
export type Open = (signal: AbortSignal, onLost: () => void) => Promise<Link>

export interface KeptLink {
  check(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/**
 * Keeps one connection, opened by the first check. A check that fails or times out closes it, as does its loss, and the next
 * check opens another: a system that was restarted is never shown as unavailable because of a connection that it closed.
 */
export function createLink(open: Open): KeptLink {
  const closed = new AbortController()
  let current: Promise<Link> | undefined

  async function discard(link: Promise<Link>): Promise<void> {
    if (current === link) current = undefined
    await link.then((opened) => opened.destroy()).catch(() => {})
  }

  return {
    async check(signal) {
      const limit = AbortSignal.any([signal, closed.signal])
      limit.throwIfAborted()
      current ??= open(limit, () => void (own && discard(own)))
      const own = current
      try {
        await abortable(
          own.then((link) => link.ask()),
          limit,
        )
      } catch (error) {
        void discard(own)
        throw error
      }
    },
    async close() {
      closed.abort(probeError('CLOSED', 'closed'))
      if (current) await discard(current)
    },
  }
}
