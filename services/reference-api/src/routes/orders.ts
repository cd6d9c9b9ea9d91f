import { isForeignKeyViolation } from '@reference/database'
import {
  type App,
  Cursor,
  clientSignal,
  created,
  hotRow,
  Id,
  IdempotencyHeaders,
  IdParams,
  Limit,
  ProblemSchema,
  page,
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
  const { cached, write, once } = context
  const orders = cached(orderEntry)
  const orderPages = createOrderPages(context)

  app.get(
    '/orders/:id',
    {
      ...shortReply,
      config: hotRow(orders),
      schema: { tags: ['orders'], params: IdParams, response: { 200: Order, 404: ProblemSchema } },
    },
    (request, reply) => sendCached(reply, orders, request.params.id, () => notFound('order')),
  )

  app.get(
    '/orders',
    {
      ...orderPages.route,
      schema: {
        tags: ['orders'],
        description: 'Newest first.',
        querystring: OrdersQuery,
        response: { 200: page(Order) },
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
        headers: IdempotencyHeaders,
        body: NewOrder,
        response: { 201: Order, 422: ProblemSchema },
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
        return { result: created(`/orders/${order.id}`, order), staleKeys: [orders.keyOf(order.id)] }
      })
      const stored = await write(insert, { waitSignal: clientSignal(reply) }).catch((error: unknown) => {
        throw isForeignKeyViolation(error, 'orders_user_id_users_id_fk')
          ? referenceMissing(['userId'], error)
          : error
      })
      return sendStored(reply, stored)
    },
  )
}
