import { isForeignKeyViolation } from '@reference/database'
import {
  type App,
  Cursor,
  clientSignal,
  created,
  described,
  hotRow,
  Id,
  IdempotencyHeaders,
  IdParams,
  Limit,
  NOT_CHANGED,
  page,
  problem,
  sendCached,
  sendStored,
  shortReply,
} from '@reference/http'
import { orderEntry } from '@reference/shop/orders/cache'
import { MAX_QUANTITY, Order, OrderStatus } from '@reference/shop/orders/model'
import { insertOrder } from '@reference/shop/orders/queries'
import { userById } from '@reference/shop/users/queries'
import { Type } from 'typebox'
import type { Context } from '../context.ts'
import { notFound, referenceMissing } from '../errors.ts'
import { orderPlaced } from '../jobs/order-placed.ts'
import { createOrderPages } from '../order-pages.ts'

const OrdersQuery = Type.Object(
  { userId: Type.Optional(Id), status: Type.Optional(OrderStatus), limit: Limit, after: Cursor },
  { additionalProperties: false },
)

const NewOrder = Type.Object(
  { userId: Id, productId: Id, quantity: Type.Integer({ minimum: 1, maximum: MAX_QUANTITY, examples: [2] }) },
  { additionalProperties: false },
)

export function orderRoutes(app: App, context: Context): void {
  const { cached, write, once, jobs, config } = context
  const orders = cached(orderEntry)
  const orderPages = createOrderPages(context)

  app.get(
    '/orders/:id',
    {
      ...shortReply,
      config: hotRow(orders),
      schema: {
        tags: ['orders'],
        operationId: 'getOrder',
        summary: 'One order',
        params: IdParams,
        response: {
          200: described('The order; with an `etag` if the request has `if-none-match`', Order),
          304: NOT_CHANGED,
          404: problem('There is no such order'),
        },
      },
    },
    (request, reply) => sendCached(reply, orders, request.params.id, () => notFound('order')),
  )

  app.get(
    '/orders',
    {
      ...orderPages.route,
      schema: {
        tags: ['orders'],
        operationId: 'listOrders',
        summary: 'A page of orders, newest first',
        description: 'A page is kept, encoded and compressed, for `CACHE_PAGE_TTL_MS`.',
        querystring: OrdersQuery,
        response: { 200: described('A page; `next` is null on the last one', page(Order)) },
      },
    },
    (request, reply) => orderPages.send(request, reply, request.query),
  )

  app.post(
    '/orders',
    {
      config: { scope: 'write' },
      schema: {
        tags: ['orders'],
        operationId: 'createOrder',
        summary: 'Place an order',
        headers: IdempotencyHeaders,
        body: NewOrder,
        response: {
          201: described('The new order; `location` has its path', Order),
          422: problem('There is no such user or product, or the idempotency-key was used with another body'),
        },
      },
    },
    async (request, reply) => {
      const insert = once(request, async (tx) => {
        const order = await tx.first(insertOrder, request.body)
        if (order === undefined) {
          const user = await tx.first(userById, { id: request.body.userId })
          throw user === undefined
            ? referenceMissing(['userId', 'productId'])
            : referenceMissing(['productId'])
        }
        if (config.orderEventsUrl !== undefined) await jobs.enqueue(orderPlaced, { order }, { tx })
        return { result: created(`/orders/${order.id}`, order), staleKeys: [orders.keyOf(order.id)] }
      })
      const stored = await write(insert, { waitSignal: clientSignal(reply) }).catch((error: unknown) => {
        throw isForeignKeyViolation(error, 'orders_user_id_users_id_fk')
          ? referenceMissing(['userId'], error)
          : error
      })
      if (config.orderEventsUrl !== undefined) jobs.wake(orderPlaced)
      return sendStored(reply, stored)
    },
  )
}
