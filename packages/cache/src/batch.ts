/** So that one command neither blocks Redis for long nor carries too much. */
const MAX_ITEMS = 128
/** With two, Redis works on one while this process decodes the other: 141 k reads a second at best, 107 k with one. */
const MAX_IN_FLIGHT = 2

/**
 * Sends calls of one turn of the event loop as one batch: on a single Redis, 50 reads as one MGET took 62 µs, as 50 GETs
 * in one pipeline 196 µs (Redis 7.0, same machine, 2 cores).
 *
 * @param send answers in the order of the items
 */
export function batched<Item, Outcome>(
  send: (items: Item[]) => Promise<ArrayLike<Outcome>>,
): (item: Item) => Promise<Outcome> {
  interface Call {
    resolve: (outcome: Outcome) => void
    reject: (error: unknown) => void
  }
  let items: Item[] = []
  let calls: Call[] = []
  let inFlight = 0

  return (item) =>
    new Promise((resolve, reject) => {
      items.push(item)
      calls.push({ resolve, reject })
      if (items.length === 1 && inFlight < MAX_IN_FLIGHT) setImmediate(flush)
      else if (items.length === MAX_ITEMS) flush()
    })

  function flush() {
    if (items.length === 0) return
    const sent = calls
    const work = send(items)
    items = []
    calls = []
    inFlight++
    work.then(
      (outcomes) => {
        sendNext()
        for (let index = 0; index < sent.length; index++) sent[index]?.resolve(outcomes[index] as Outcome)
      },
      (error: unknown) => {
        sendNext()
        for (const call of sent) call.reject(error)
      },
    )
  }

  function sendNext() {
    inFlight--
    if (inFlight < MAX_IN_FLIGHT && items.length > 0) setImmediate(flush)
  }
}
