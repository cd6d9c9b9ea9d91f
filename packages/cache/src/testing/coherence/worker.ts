import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import postgres from 'postgres'
import { createCacheWithout } from '../create-cache-without.ts'
import { createPostgresOutbox } from '../postgres-outbox.ts'
import { monotonicMs } from './clock.ts'
import { commit, ITEM, isLocal, LOCAL, localKey, sharedKey, writableKey } from './items.ts'
import type { ReadRecord, WorkerOrders } from './messages.ts'
import { sendToParent } from './messages.ts'

/** One of the processes that read and write, from the message of its parent on. */
const { databaseUrl, redis, without, seconds } = JSON.parse(process.argv[2] ?? '') as WorkerOrders

const sql = postgres(databaseUrl, { max: 6, onnotice: () => {} })
const cache = createCacheWithout(without, {
  redis,
  outbox: createPostgresOutbox(sql),
  l1: { maxEntries: 1_000 },
})
const options = {
  ttlMs: 60_000,
  load: async (id: number) => (await loadMany([id])).get(id),
  loadMany,
}
const items = cache.namespace({ ...ITEM, graceMs: 10_000, ...options })
const local = cache.namespace({ ...LOCAL, tier1Only: true, ...options })
const namespaceOf = (key: number) => (isLocal(key) ? local : items)

const reads: ReadRecord[] = []
const from: Record<string, number> = {}
const failures: string[] = []

process.on('disconnect', () => process.exit())
await cache.whenUsable(5_000)
const go = once(process, 'message')
await sendToParent({ kind: 'ready' })
await go
const until = monotonicMs() + seconds * 1_000
await Promise.all([
  ...Array.from({ length: 6 }, () => repeat(readOne, 3)),
  repeat(readMany, 20),
  ...Array.from({ length: 2 }, () => repeat(writeOne, 30)),
])
await sendToParent({ kind: 'done', reads, from, failures, stats: cache.stats() })
await cache.close()
await sql.end()
process.disconnect?.()

async function loadMany(ids: readonly number[]): Promise<Map<number, number>> {
  const rows = await sql<{ id: number; version: number }[]>`
    SELECT id, version FROM items WHERE id = ANY(${[...ids]})`
  // A slow reader: other processes write between its load and its fill.
  if (Math.random() < 0.1) await delay(Math.random() * 250)
  return new Map(rows.map(({ id, version }) => [id, version]))
}

async function repeat(work: () => Promise<void>, maxPauseMs: number) {
  while (monotonicMs() < until) {
    await work().catch((error: unknown) => failures.push(String(error)))
    await delay(Math.random() * maxPauseMs)
  }
}

async function readOne() {
  const key = Math.random() < 0.8 ? sharedKey() : localKey()
  const startedAt = monotonicMs()
  record(key, startedAt, await namespaceOf(key).get(key))
}

async function readMany() {
  const keys = Array.from({ length: 50 }, sharedKey)
  const startedAt = monotonicMs()
  const hits = await items.getMany(keys)
  hits.forEach((hit, index) => {
    record(keys[index] ?? 0, startedAt, hit)
  })
}

function record(key: number, startedAt: number, hit: { value: number | undefined; from: string }) {
  reads.push([key, hit.value ?? -1, startedAt, monotonicMs()])
  from[hit.from] = (from[hit.from] ?? 0) + 1
}

async function writeOne() {
  const { key, version, rows } = await commit(sql, Math.random() < 0.8 ? writableKey() : localKey())
  if (Math.random() < 0.1) await delay(Math.random() * 30)
  const { undelivered } = await cache.deliver([namespaceOf(key).keyOf(key)], rows)
  const delivered = undelivered.length === 0
  await sendToParent({ kind: 'written', write: { key, version, at: monotonicMs(), delivered } })
}
