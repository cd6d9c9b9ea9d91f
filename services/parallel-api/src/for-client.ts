import { problem } from '@reference/http'
import type { FastifyRequest } from 'fastify'

/**
 * Runs work for as long as its client waits: `signal` aborts when the connection closes before the answer.
 *
 * For calls without a body. `request.signal` follows the request's stream, which ends early once a body has been read
 * (seen with Fastify 5.12: it fires while the client of a POST still waits, and not for a GET, kept alive or not).
 */
export async function forClient<T>(
  request: FastifyRequest,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal } = request
  try {
    return await work(signal)
  } catch (error) {
    // Nobody reads this answer; as a 4xx it is no fault in the log either.
    if (signal.aborted)
      throw problem(499, 'CLIENT_CLOSED_REQUEST', 'The client closed the connection', { cause: error })
    throw error
  }
}
