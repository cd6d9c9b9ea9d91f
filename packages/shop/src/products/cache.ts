import { checkedRow } from '@reference/database'
import type { CacheEntry } from '../cache-entry.ts'
import type { Product } from './model.ts'
import { productById, productsByIds } from './queries.ts'

/** How a product is cached. */
export const productEntry: CacheEntry<number, Product> = ({ database, ttlMs }) => {
  const read = database.reader({ column: 'id', one: productById, many: productsByIds })
  return {
    name: 'product',
    // Raise it when the shape of the row changes: replicas of both releases then use keys of their own.
    version: 1,
    ttlMs,
    graceMs: ttlMs / 5,
    negativeTtlMs: 10_000,
    load: async (id, context) => checkedRow('product', isRepresentable, await read(id, context)),
  }
}

function isRepresentable({ priceCents }: Product): boolean {
  return priceCents >= 0
}
