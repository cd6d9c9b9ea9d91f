import { clientSignal } from '@reference/http'
import type { FastifyReply } from 'fastify'

/**
 * Runs work while its client waits: the signal aborts when the connection closes before the reply.
 *
 * @throws `CLIENT_CLOSED_REQUEST` (499) when the client closed the connection; what the work throws
 */
export async function forClient<T>(
  reply: FastifyReply,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const signal = clientSignal(reply)
  try {
    return await work(signal)
  } catch (error) {
    // No client reads this reply. As a 4xx it is not logged as a failure of the service.
    throw signal.aborted ? signal.reason : error
  }
}
