import { connect } from 'node:net'
import { startRedis } from '@reference/local-stack'

/**
 * node infra/redis/eviction-bench.ts: the hit rate of allkeys-lru and allkeys-lfu on a real server with redis.conf, whose memory holds
 * about a quarter of the keys. Reads go by Zipf (0.99), as the guide's "frequently accessed data" do; a miss fills. Then the same
 * with a scan through all keys as a fifth of the reads (an export, a crawler), which LRU takes for interest.
 */
const keys = 50_000
const valueBytes = 1000
const maxmemory = '20mb'
const reads = 200_000
const batch = 200

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

/** A connection that sends lines of commands in one write and waits until as many replies are there. */
function open(port: number) {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1').setNoDelay()
  return {
    /** Whether each GET of the batch found something. */
    get: (names: string[]) =>
      new Promise<boolean[]>((resolve) => {
        const found: boolean[] = []
        let rest = ''
        const read = (chunk: string) => {
          rest += chunk
          for (;;) {
            const end = rest.indexOf('\r\n')
            if (end < 0) return
            const length = Number(rest.slice(1, end))
            const next = length < 0 ? end + 2 : end + 4 + length
            if (rest.length < next) return
            found.push(length >= 0)
            rest = rest.slice(next)
            if (found.length === names.length) {
              socket.off('data', read)
              return resolve(found)
            }
          }
        }
        socket.on('data', read)
        socket.write(names.map((name) => `GET ${name}\r\n`).join(''))
      }),
    set: (names: string[], value: string) =>
      new Promise<void>((resolve) => {
        let replies = 0
        const read = (chunk: string) => {
          replies += chunk.split('\n').length - 1
          if (replies < names.length) return
          socket.off('data', read)
          resolve()
        }
        if (names.length === 0) return resolve()
        socket.on('data', read)
        socket.write(names.map((name) => `SET ${name} ${value}\r\n`).join(''))
      }),
    close: () => socket.destroy(),
  }
}

async function hitRate(policy: string, scan: boolean): Promise<number> {
  const server = await startRedis({ settings: { maxmemory, 'maxmemory-policy': policy } })
  const link = open(server.port)
  try {
    const draw = zipf(keys, 0.99)
    const value = 'x'.repeat(valueBytes)
    let scanned = 0
    let hits = 0
    for (let done = 0; done < reads; done += batch) {
      const scans = Array.from({ length: batch }, (_, i) => scan && i % 5 === 0)
      const names = scans.map((isScan) => `c:order:1:{${isScan ? scanned++ % keys : draw()}}`)
      const found = await link.get(names)
      await link.set(
        names.filter((_, i) => !found[i]),
        value,
      )
      // The second half, when the memory is full and counters are settled; keys that only the scan reads do not count.
      if (done >= reads / 2) hits += found.filter((hit, i) => hit && !scans[i]).length
    }
    return hits / ((reads / 2) * (scan ? 0.8 : 1))
  } finally {
    link.close()
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
