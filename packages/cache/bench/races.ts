/**
 * What happens when several readers and a writer meet, for this cache and others: `node packages/cache/bench/races.ts`. The contenders take
 * turns, as they do in compare.ts.
 *
 * - Stampede: 50 callers on each of two instances ask for the same cold key at once; how often is it loaded?
 * - Coherence: one thread reads keys, another writes rows and invalidates them, without any fault; how often does the reader
 *   receive a row that is older than a write whose invalidation had ended before the read began?
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { startRedis } from '@reference/local-stack'
import { Redis } from 'ioredis'
import { contenders, type User } from './contenders.ts'
import type { CoherenceResult } from './races-reader.ts'

const ROUNDS = Number(process.env.ROUNDS ?? 3)
const SECONDS = Number(process.env.SECONDS ?? 4)
const CALLERS = 100
const COLD_KEYS = 20
const KEYS = 50
const LOAD_MS = 5
const WRITE_EVERY_MS = 10

const redis = await startRedis({ settings: { maxmemory: '512mb' } })
const admin = new Redis(redis.url)
const rows = new Map(
  Object.keys(contenders).map((name) => [
    name,
    { loads: 0, keys: 0, stale: 0, reads: 0, latestMs: 0, writes: 0 },
  ]),
)
try {
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, row] of rows) {
      await admin.flushall()
      row.loads += await stampede(name)
      row.keys += COLD_KEYS
      await admin.flushall()
      const { stale, reads, latestMs, writes } = await coherence(name)
      row.stale += stale
      row.reads += reads
      row.writes += writes
      row.latestMs = Math.max(row.latestMs, latestMs)
    }
  }
} finally {
  admin.disconnect()
  await redis.stop()
}
console.log(
  `| | loads of a key that ${CALLERS} callers ask for | writes | reads | older than the write | latest after |`,
)
console.log('|---|---:|---:|---:|---:|---:|')
for (const [name, { loads, keys, writes, reads, stale, latestMs }] of rows) {
  const latest = stale === 0 ? '' : `${Math.ceil(latestMs)} ms`
  console.log(`| ${name} | ${(loads / keys).toFixed(1)} | ${writes} | ${reads} | ${stale} | ${latest} |`)
}

/** @returns how often the cold keys were loaded */
async function stampede(name: string): Promise<number> {
  let loads = 0
  const load = async (id: number): Promise<User> => {
    loads++
    await sleep(LOAD_MS)
    return { id, email: '', name: '', createdAt: '' }
  }
  const open = () => contenders[name]?.(redis.url, 'both', load)
  const instances = (await Promise.all([open(), open()])).filter((each) => each !== undefined)
  // The first read of an instance connects.
  for (const instance of instances) await instance.get(0)
  loads = 0
  for (let id = 1; id <= COLD_KEYS; id++) {
    await Promise.all(Array.from({ length: CALLERS }, (_, caller) => instances[caller % 2]?.get(id)))
  }
  for (const instance of instances) await instance.close()
  return loads
}

/** This thread writes, the other one reads; each has an instance of its own. Rows and acknowledged writes are in shared memory. */
async function coherence(name: string): Promise<CoherenceResult & { writes: number }> {
  const shared = new SharedArrayBuffer(KEYS * 2 * 4)
  const [versions, acknowledged] = [new Int32Array(shared, 0, KEYS), new Int32Array(shared, KEYS * 4, KEYS)]
  const load = async (id: number): Promise<User> => {
    const email = String(Atomics.load(versions, id))
    await sleep(LOAD_MS)
    return { id, email, name: '', createdAt: '' }
  }
  const writer = await contenders[name]?.(redis.url, 'both', load)
  const reader = new Worker(new URL('./races-reader.ts', import.meta.url), {
    workerData: { name, url: redis.url, shared, keys: KEYS, loadMs: LOAD_MS },
  })
  await once(reader, 'message')
  const until = performance.now() + SECONDS * 1_000
  let writes = 0
  while (performance.now() < until) {
    const id = Math.floor(Math.random() * KEYS)
    writes++
    const version = Atomics.add(versions, id, 1) + 1
    await writer?.invalidate(id)
    Atomics.store(acknowledged, id, version)
    await sleep(WRITE_EVERY_MS)
  }
  reader.postMessage('stop')
  const [result] = (await once(reader, 'message')) as [CoherenceResult]
  await writer?.close()
  await once(reader, 'exit')
  return { ...result, writes }
}
