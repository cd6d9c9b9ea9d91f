import { connect, type Socket } from 'node:net'
import { startRedis } from '@reference/local-stack'

/**
 * Compares the hit rates of allkeys-lru and allkeys-lfu: node infra/redis/eviction-bench.ts
 *
 * The server is real, runs with redis.conf, and its memory holds about a quarter of the keys. Reads follow a Zipf distribution
 * (0.99), as requests for frequently read data do; a miss fills the cache. The second pair of figures adds a scan through all keys
 * (an export, a crawler) as a fifth of the reads. LRU keeps scanned keys, because it sees only that they were read recently.
 */
const KEYS = 50_000
const VALUE_BYTES = 1000
const MAX_MEMORY = '20mb'
const READS = 200_000
const BATCH = 200

/** Draws 0 … n - 1 with the weights 1/(i + 1)^s, the same each time. */
function zipf(n: number, s: number): () => number {
  const sums = new Float64Array(n)
  let sum = 0
  for (let i = 0; i < n; i++) {
    sum += 1 / (i + 1) ** s
    sums[i] = sum
  }
  let state = 42
  const random = () => {
    // Mulberry32.
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return () => {
    const wanted = random() * sum
    let [low, high] = [0, n - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] ?? 0) < wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** A connection that sends a batch of commands in one write and waits for as many replies. */
class Connection {
  readonly #socket: Socket

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1').setEncoding('latin1').setNoDelay()
  }

  /** @returns for each name whether its GET found a value */
  get(names: readonly string[]): Promise<boolean[]> {
    const found: boolean[] = []
    return this.#send(
      names.map((name) => `GET ${name}`),
      (text) => {
        let rest = text
        for (let reply = firstBulk(rest); reply !== undefined; reply = firstBulk(rest)) {
          found.push(reply.length >= 0)
          rest = rest.slice(reply.end)
        }
        return { rest, replies: found.length }
      },
    ).then(() => found)
  }

  async set(names: readonly string[], value: string): Promise<void> {
    if (names.length === 0) return
    let replies = 0
    await this.#send(
      names.map((name) => `SET ${name} ${value}`),
      (text) => {
        replies += text.split('\n').length - 1
        return { rest: '', replies }
      },
    )
  }

  close(): void {
    this.#socket.destroy()
  }

  /** @param read takes what has arrived; returns what it could not read yet, and how many replies it has seen in all */
  #send(
    commands: readonly string[],
    read: (text: string) => { rest: string; replies: number },
  ): Promise<void> {
    return new Promise((resolve) => {
      let unread = ''
      const onData = (chunk: string) => {
        const { rest, replies } = read(unread + chunk)
        unread = rest
        if (replies < commands.length) return
        this.#socket.off('data', onData)
        resolve()
      }
      this.#socket.on('data', onData)
      this.#socket.write(commands.map((command) => `${command}\r\n`).join(''))
    })
  }
}

/** The first complete bulk reply; its length is -1 for a key without a value. */
function firstBulk(text: string): { length: number; end: number } | undefined {
  const headEnd = text.indexOf('\r\n')
  if (headEnd < 0) return undefined
  const length = Number(text.slice(1, headEnd))
  const end = length < 0 ? headEnd + 2 : headEnd + 4 + length
  return text.length < end ? undefined : { length, end }
}

async function hitRate(policy: string, scan: boolean): Promise<number> {
  const server = await startRedis({ settings: { maxmemory: MAX_MEMORY, 'maxmemory-policy': policy } })
  const connection = new Connection(server.port)
  try {
    const draw = zipf(KEYS, 0.99)
    const value = 'x'.repeat(VALUE_BYTES)
    let scanned = 0
    let hits = 0
    for (let done = 0; done < READS; done += BATCH) {
      const scans = Array.from({ length: BATCH }, (_, i) => scan && i % 5 === 0)
      const names = scans.map((isScan) => `c:order:1:{${isScan ? scanned++ % KEYS : draw()}}`)
      const found = await connection.get(names)
      await connection.set(
        names.filter((_, i) => !found[i]),
        value,
      )
      // Count the second half only, when memory is full and the counters have settled. Scanned keys do not count.
      if (done >= READS / 2) hits += found.filter((hit, i) => hit && !scans[i]).length
    }
    return hits / ((READS / 2) * (scan ? 0.8 : 1))
  } finally {
    connection.close()
    await server.stop()
  }
}

for (const scan of [false, true]) {
  const lru = await hitRate('allkeys-lru', scan)
  const lfu = await hitRate('allkeys-lfu', scan)
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`
  process.stdout.write(
    `${scan ? 'with a scan' : 'Zipf alone '}  hits: lru ${percent(lru)}, lfu ${percent(lfu)}; ` +
      `misses of lru / lfu: ${((1 - lru) / (1 - lfu)).toFixed(2)}\n`,
  )
}
