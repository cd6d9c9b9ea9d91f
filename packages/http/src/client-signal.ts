import { AppError } from '@reference/errors'
import type { FastifyReply } from 'fastify'

/**
 * Aborts when the client closes its connection before it has got the reply. For work that waits: the reply would reach no client, and the
 * work takes the turn of a client that still waits.
 *
 * Not `request.signal` of Fastify 5.12, which follows the request's stream: that ends once a body has been read, while the client of a
 * POST still waits.
 *
 * @returns a signal whose reason is `CLIENT_CLOSED_REQUEST` (499), which is not logged as a failure
 */
export function clientSignal({ raw }: FastifyReply): AbortSignal {
  const controller = new AbortController()
  const leave = () => {
    if (!raw.writableEnded) controller.abort(clientClosed())
  }
  if (raw.closed || raw.destroyed) leave()
  else raw.once('close', leave)
  return controller.signal
}

const clientClosed = () => new AppError('CLIENT_CLOSED_REQUEST', 499, 'The client closed the connection')
