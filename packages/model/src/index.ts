/**
 * The rows as both services show them: the one place that says what a user, a product and an order look like from
 * outside. Times are ISO 8601 in UTC with milliseconds, money is in integer cents.
 */
import { type Static, Type } from 'typebox'

const id = Type.Integer({ minimum: 1, maximum: 2_147_483_647, examples: [42] })
const createdAt = Type.String({ format: 'date-time', examples: ['2026-01-31T12:00:00.000Z'] })
const cents = (example: number) => Type.Integer({ minimum: 0, examples: [example] })

export const orderStatuses = ['pending', 'paid', 'shipped', 'cancelled'] as const
export type OrderStatus = (typeof orderStatuses)[number]

export const OrderStatus = Type.Unsafe<OrderStatus>(Type.String({ enum: [...orderStatuses] }))

export const Email = Type.String({
  maxLength: 320,
  pattern: '^[^@\\s]+@[^@\\s]+$',
  examples: ['ada@example.com'],
})
export const PersonName = Type.String({ minLength: 1, maxLength: 200, examples: ['Ada Lovelace'] })

export type User = Static<typeof User>
export const User = Type.Object(
  { id, email: Email, name: PersonName, createdAt },
  { additionalProperties: false },
)

export type Product = Static<typeof Product>
export const Product = Type.Object(
  {
    id,
    name: Type.String({ examples: ['Lamp'] }),
    category: Type.String({ examples: ['home'] }),
    priceCents: cents(1990),
  },
  { additionalProperties: false },
)

export type Order = Static<typeof Order>
export const Order = Type.Object(
  {
    id,
    userId: id,
    productId: id,
    quantity: Type.Integer({ minimum: 1, examples: [2] }),
    totalCents: cents(3980),
    status: OrderStatus,
    createdAt,
  },
  { additionalProperties: false },
)

/**
 * How a row is cached. Both services share the entries and their invalidation, so they take name, version and times
 * from here. Raise a version when the row's shape changes: replicas of both releases then keep to their own entries.
 *
 * @returns options for a namespace of the cache, all but the loader
 */
export function cachedAs(
  row: 'user' | 'product' | 'order',
  { cacheTtlSeconds }: { cacheTtlSeconds: number },
) {
  const ttlMs = cacheTtlSeconds * 1000
  return { name: row, version: 1, ttlMs, graceMs: ttlMs / 5, negativeTtlMs: 10_000 }
}
