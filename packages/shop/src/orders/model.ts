import { type Static, Type } from 'typebox'
import { CreatedAt, cents, Id } from '../model.ts'

export const ORDER_STATUSES = ['pending', 'paid', 'shipped', 'cancelled'] as const
export type OrderStatus = (typeof ORDER_STATUSES)[number]
export const OrderStatus = Type.Unsafe<OrderStatus>(Type.String({ enum: [...ORDER_STATUSES] }))

/** The largest `quantity` of a new order. */
export const MAX_QUANTITY = 1_000_000

/** An order as both services show it. */
export const Order = Type.Object(
  {
    id: Id,
    userId: Id,
    productId: Id,
    quantity: Type.Integer({ minimum: 1, examples: [2] }),
    totalCents: cents(3980),
    status: OrderStatus,
    createdAt: CreatedAt,
  },
  { additionalProperties: false },
)
export type Order = Static<typeof Order>
