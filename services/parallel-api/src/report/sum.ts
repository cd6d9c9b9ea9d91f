/**
 * The CPU work of `/report`, and the module that the worker threads load: sums the orders of one part by category and
 * day. It knows neither database nor HTTP, and what goes in and out is bytes and numbers, which threads pass on in
 * one piece; the same as rows of objects would be copied field by field on both sides.
 */

/** Which category each product is in: `ids` ascending, `categories` beside it. In shared memory, so threads get it uncopied. */
export interface Categories {
  readonly ids: Int32Array<SharedArrayBuffer>
  readonly categories: Int32Array<SharedArrayBuffer>
}

export interface Part {
  /** `product,day,cents;product,day,cents;…` in ASCII; `day` counts from 1970-01-01 UTC. */
  readonly orders: Uint8Array
  readonly products: Categories
}

/** Numbers that a group takes in what comes back: its category, its day, its orders and their cents. */
export const GROUP_FIELDS = 4

/**
 * @returns groups one after the other, each as category, day, orders, cents; sums are exact below 2^53
 * @throws RangeError for a product without category
 */
export default function sumPart({ orders, products }: Part): Float64Array {
  const places = new Map<number, number>()
  const groups: number[] = []
  const { length } = orders
  let at = 0
  while (at < length) {
    const product = number()
    const day = number()
    const cents = number()
    add(categoryOf(products, product), day, cents)
  }
  return Float64Array.from(groups)

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

  function add(category: number, day: number, cents: number): void {
    const key = category * DAYS + day
    let place = places.get(key)
    if (place === undefined) {
      place = groups.length
      places.set(key, place)
      groups.push(category, day, 0, 0)
    }
    groups[place + 2] = (groups[place + 2] ?? 0) + 1
    groups[place + 3] = (groups[place + 3] ?? 0) + cents
  }
}

const ZERO = 48
const NINE = 57
const MINUS = 45

/** More than Postgres has days, so that category × DAYS + day names one group. */
export const DAYS = 2 ** 32

/** Ids without gaps, which is what they mostly are, are found at once; otherwise by bisection. */
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
