/** An open connection to a system. */
export interface Link {
  /** One real command; rejects when the system refuses it or the connection is lost. */
  ask(): Promise<unknown>
  /** Ends at once, whether the system takes part or not. */
  destroy(): unknown
}

/**
 * Connects and logs in.
 *
 * @param signal when it aborts, whatever was opened is to be given up
 * @param onLost to be called when the open connection is lost
 */
export type Open = (signal: AbortSignal, onLost: () => void) => Promise<Link>

export interface KeptLink {
  check(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/**
 * One connection, opened by the first check and kept. One that is lost, fails or does not answer in time is given up, and
 * the check after it opens another: a system that was restarted is never shown as away for a connection that it closed.
 */
export function createLink(open: Open): KeptLink {
  const closed = new AbortController()
  let current: Promise<Link> | undefined

  async function give(up: Promise<Link>): Promise<void> {
    if (current === up) current = undefined
    await up.then((link) => link.destroy()).catch(() => {})
  }

  return {
    async check(signal) {
      const limit = AbortSignal.any([signal, closed.signal])
      limit.throwIfAborted()
      current ??= open(limit, () => void (mine && give(mine)))
      const mine = current
      try {
        await untilAborted(
          limit,
          mine.then((link) => link.ask()),
        )
      } catch (error) {
        void give(mine)
        throw error
      }
    },
    async close() {
      closed.abort(Object.assign(new Error('closed'), { code: 'CLOSED' }))
      if (current) await give(current)
    },
  }
}

/** The work's outcome, or the signal's reason if that comes first; what the work does later is nobody's concern. */
export async function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    signal.throwIfAborted()
    return await Promise.race([work, aborted.promise])
  } finally {
    work.catch(() => {})
    signal.removeEventListener('abort', abort)
  }
}
