import { AppError } from '@reference/errors'
import type { FastifyRequest } from 'fastify'

/**
 * Runs work while its client waits: the signal aborts when the connection closes before the reply.
 *
 * Only for requests without a body. `request.signal` follows the request's stream, which ends once a body has been read: with
 * Fastify 5.12 it aborts while the client of a POST still waits. It does not for a GET, kept alive or not.
 *
 * @throws `CLIENT_CLOSED_REQUEST` (499) when the client closed the connection; what the work throws
 */
export async function forClient<T>(
  request: FastifyRequest,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal } = request
  try {
    return await work(signal)
  } catch (error) {
    // No client reads this reply. As a 4xx it is not logged as a failure of the service.
    if (signal.aborted)
      throw new AppError('CLIENT_CLOSED_REQUEST', 499, 'The client closed the connection', { cause: error })
    throw error
  }
}
