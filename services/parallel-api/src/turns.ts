import { createShare, type SharedWork } from './share.ts'

/**
 * One run at a time; who comes while one runs waits for the next, and all who wait share it. A run therefore always
 * begins after each of its callers asked: unlike joining the one in flight, nobody gets an answer that is older than
 * what they have just written. Any number of callers is at most two pieces of work, one running and one waiting.
 */
export function createTurns<T>(
  work: (signal: AbortSignal) => Promise<T>,
): (signal: AbortSignal) => Promise<T> {
  const share = createShare<T>()
  let last: Promise<unknown> = Promise.resolve()

  const takeTurn: SharedWork<T> = async (signal, depart) => {
    const before = last
    const done = Promise.withResolvers<void>()
    last = before.then(() => done.promise)
    try {
      await endOf(before, signal)
      depart()
      return await work(signal)
    } finally {
      done.resolve()
    }
  }

  return (signal) => share('', signal, takeTurn)
}

async function endOf(turn: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    await Promise.race([turn, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
