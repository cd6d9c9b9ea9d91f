import { type App, createSharedReplies, described, problem } from '@reference/http'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { AggregatedOrder } from '../aggregate.ts'
import type { Context } from '../context.ts'
import { forClient } from '../for-client.ts'

const Query = Type.Object({
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 500, default: 20, description: 'Number of orders' }),
  ),
})

/**
 * `GET /aggregate`: orders of the upstream, each joined with its user and product over HTTP. Identical calls share a run; its
 * deadline, and the headers that it forwards, are those of its first caller.
 */
export function aggregateRoute(app: App, { aggregate, config }: Context): void {
  const send = createSharedReplies(config.sharedReads)
  app.get(
    '/aggregate',
    {
      config: { priority: 'report' },
      schema: {
        tags: ['parallel'],
        operationId: 'aggregateOrders',
        summary: 'The newest orders, each with its user and product',
        description: 'Orders, users and products are fetched over HTTP from the reference-api.',
        querystring: Query,
        response: {
          200: described('The orders', Type.Object({ items: Type.Array(AggregatedOrder) })),
          502: problem('The reference-api is unavailable, or its reply is not usable'),
          503: problem('The reference-api failed so often that calls of it are suspended'),
          504: problem('The reference-api did not answer in time'),
        },
      },
    },
    (request, reply) => {
      const { limit = 20 } = request.query
      const read = async (signal: AbortSignal) => {
        const { items, leftOut } = await aggregate(limit, { signal, headers: forwardedHeaders(request) })
        if (leftOut.length > 0)
          request.log.warn({ orders: leftOut }, 'orders with unknown values were left out')
        return { items }
      }
      return forClient(reply, (signal) => send(reply, String(limit), read, signal))
    },
  )
}

/** W3C Trace Context: version, trace id, parent id, flags. Any other value is not forwarded. */
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

function forwardedHeaders({ id, headers: { traceparent } }: FastifyRequest): Record<string, string> {
  const valid = typeof traceparent === 'string' && TRACEPARENT.test(traceparent)
  return { 'x-request-id': id, ...(valid && { traceparent }) }
}
