import { checkedRow, isIsoTimestamp } from '@reference/database'
import type { CacheEntry } from '../cache-entry.ts'
import { MAX_QUANTITY, ORDER_STATUSES, type Order } from './model.ts'
import { orderById, ordersByIds } from './queries.ts'

/** How an order is cached. */
export const orderEntry: CacheEntry<number, Order> = ({ database, ttlMs }) => {
  const read = database.reader({ column: 'id', one: orderById, many: ordersByIds })
  return {
    name: 'order',
    // Raise it when the shape of the row changes: replicas of both releases then use keys of their own.
    version: 1,
    ttlMs,
    graceMs: ttlMs / 5,
    negativeTtlMs: 10_000,
    load: async (id, context) => checkedRow('order', isRepresentable, await read(id, context)),
  }
}

function isRepresentable({ createdAt, status, quantity, totalCents }: Order): boolean {
  return (
    isIsoTimestamp(createdAt) &&
    ORDER_STATUSES.includes(status) &&
    quantity >= 1 &&
    quantity <= MAX_QUANTITY &&
    totalCents >= 0 &&
    Number.isSafeInteger(totalCents)
  )
}
