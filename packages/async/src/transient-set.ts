import { RENEW_AFTER } from './transient-map.ts'

/**
 * A set for entries that come and go at the rate of requests, such as the requests in flight. See `TransientMap` for what is wrong with a
 * `Set` there.
 *
 * An iteration sees deletions; nothing may be added during one.
 */
export class TransientSet<Value> implements Iterable<Value> {
  #values = new Set<Value>()
  #additions = 0

  get size(): number {
    return this.#values.size
  }

  add(value: Value): void {
    if (++this.#additions > RENEW_AFTER && this.#additions > this.#values.size) {
      this.#values = new Set(this.#values)
      this.#additions = 0
    }
    this.#values.add(value)
  }

  has(value: Value): boolean {
    return this.#values.has(value)
  }

  /** @returns whether the set had the value */
  delete(value: Value): boolean {
    return this.#values.delete(value)
  }

  /** In the order in which the values were added. */
  [Symbol.iterator](): Iterator<Value> {
    return this.#values.values()
  }
}
