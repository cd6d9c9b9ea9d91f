import { type Call, send } from './load.ts'

interface Row {
  /** The last acknowledged value. */
  acknowledged: number
  /** The last value that was sent. It may have been written without an acknowledgement. */
  sent: number
}

export interface Ledger {
  /** Starts no further writes and waits for the last answers. */
  stop(): Promise<void>
  readonly acknowledged: number
  readonly failed: { atMs: number; status: number }[]
  /** By user: the database must hold a value from `acknowledged` to `sent`. */
  readonly rows: ReadonlyMap<number, Row>
  /** Ids of acknowledged orders. */
  readonly orders: readonly string[]
}

const nameOf = (value: number) => `ledger-${value}`

/** Starts one writer for each user, and records acknowledged writes. */
export function startLedger(
  origin: string,
  headers: Record<string, string>,
  { users = 8, pauseMs = 20 } = {},
): Ledger {
  const rows = new Map<number, Row>()
  const failed: { atMs: number; status: number }[] = []
  const orders: string[] = []
  const began = performance.now()
  let acknowledged = 0
  let stopped = false

  async function write(call: Call): Promise<string | undefined> {
    const atMs = Math.round(performance.now() - began)
    const { status, body } = await send(origin, { ...call, headers })
    if (status >= 200 && status < 300) {
      acknowledged += 1
      return body
    }
    failed.push({ atMs, status })
    return undefined
  }

  async function writer(id: number): Promise<void> {
    const row: Row = { acknowledged: 0, sent: 0 }
    rows.set(id, row)
    while (!stopped) {
      row.sent += 1
      const done = await write({ method: 'PATCH', path: `/users/${id}`, body: { name: nameOf(row.sent) } })
      if (done !== undefined) row.acknowledged = row.sent
      const order = await write({
        method: 'POST',
        path: '/orders',
        body: { userId: id, productId: 1, quantity: 1 },
      })
      if (order !== undefined) orders.push(String((JSON.parse(order) as { id: number }).id))
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }

  const writers = Array.from({ length: users }, (_, index) => writer(index + 1))
  return {
    async stop() {
      stopped = true
      await Promise.all(writers)
    },
    get acknowledged() {
      return acknowledged
    },
    failed,
    rows,
    orders,
  }
}

/**
 * Compares the rows of the database with the acknowledged writes, and every read with the database.
 *
 * @param prefixes where the services are below the origin
 */
export async function audit(
  ledger: Ledger,
  origin: string,
  ask: (sql: string) => Promise<string>,
  prefixes: readonly string[] = ['', '/parallel'],
): Promise<{ lost: string[]; stale: string[] }> {
  const lost: string[] = []
  const stale: string[] = []
  for (const [id, row] of ledger.rows) {
    const name = await ask(`SELECT name FROM users WHERE id = ${id}`)
    const value = Number(/^ledger-(\d+)$/.exec(name)?.[1] ?? 0)
    if (value < row.acknowledged || value > row.sent) {
      lost.push(`user ${id} is ${name}, acknowledged was ${row.acknowledged}, sent ${row.sent}`)
    }
    // Read more often than there are replicas, from both APIs: each process has its own tier 1.
    for (const prefix of prefixes) {
      const path = `${prefix}/users/${id}`
      for (let turn = 0; turn < 9; turn += 1) {
        const { status, body } = await send(origin, { path })
        const read = status === 200 ? (JSON.parse(body) as { name: string }).name : `status ${status}`
        if (read !== name) stale.push(`${path} is ${read}, the database has ${name}`)
      }
    }
  }
  if (ledger.orders.length > 0) {
    const stored = new Set(
      (await ask(`SELECT id FROM orders WHERE id IN (${ledger.orders.join()})`)).split('\n'),
    )
    for (const id of ledger.orders) if (!stored.has(id)) lost.push(`order ${id}`)
  }
  return { lost, stale }
}
