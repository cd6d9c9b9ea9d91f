import { createGroups } from './groups.ts'

/** The category of each product: `ids` ascending, and `categories` in the same order. */
export interface Categories {
  readonly ids: Int32Array
  readonly categories: Int32Array
}

export interface Chunk {
  /** `product,day,cents;product,day,cents;…` in ASCII; `day` counts from 1970-01-01 UTC. */
  readonly orders: Uint8Array
  readonly products: Categories
  /** The groups of the previous chunks, to which this chunk's orders are added. */
  readonly before?: Float64Array | undefined
}

/**
 * The CPU work of `/report`: adds up the orders of one chunk by category and day, without an object for each order.
 *
 * @returns groups one after the other, each as category, day, orders and cents, see `GROUP_FIELDS`; sums are exact
 * @throws RangeError for a product without category; AppError `REPORT_TOO_LARGE`
 */
export function sumChunk({ orders, products, before }: Chunk): Float64Array {
  const groups = createGroups()
  if (before !== undefined) groups.addAll(before)
  const { length } = orders
  let at = 0
  while (at < length) {
    const product = number()
    const day = number()
    const cents = number()
    groups.add(categoryOf(products, product), day, 1, cents)
  }
  return groups.take()

  /** Reads a number and the separator after it. */
  function number(): number {
    let value = 0
    let sign = 1
    for (; at < length; at++) {
      const byte = orders[at] ?? 0
      if (byte === MINUS) sign = -1
      else if (byte >= ZERO && byte <= NINE) value = value * 10 + (byte - ZERO)
      else break
    }
    at++
    return sign * value
  }
}

const ZERO = 48
const NINE = 57
const MINUS = 45

/** Ids are mostly without gaps, so the first guess usually matches; otherwise bisection finds the id. */
function categoryOf({ ids, categories }: Categories, product: number): number {
  let low = 0
  let high = ids.length - 1
  let at = product - (ids[0] ?? 0)
  while (low <= high) {
    const id = ids[at]
    if (id === product) return categories[at] ?? 0
    if (id !== undefined && id < product) low = Math.max(low, at + 1)
    else if (id !== undefined) high = Math.min(high, at - 1)
    at = (low + high) >>> 1
  }
  throw new RangeError(`product ${product} has no category`)
}
