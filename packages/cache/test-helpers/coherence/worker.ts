import { setTimeout as delay } from 'node:timers/promises'
import postgres from 'postgres'
import { createCache } from '../../src/index.ts'
import { createPostgresOutbox, insertIntoOutbox } from '../postgres-outbox.ts'
import { monotonicMs } from './clock.ts'
import type { ReadRecord, WorkerMessage, WorkerOrders } from './messages.ts'

const { role, databaseUrl, redis, without, keys, localKeys, seconds } = JSON.parse(
  process.argv[2] ?? '',
) as WorkerOrders

const sql = postgres(databaseUrl, { max: 6, onnotice: () => {} })
const cache = createCache({ redis, without, outbox: createPostgresOutbox(sql), l1: { maxEntries: 1_000 } })
const options = {
  version: 1,
  ttlMs: 60_000,
  load: async (id: number) => {
    const [row] = await sql<{ version: number }[]>`SELECT version FROM items WHERE id = ${id}`
    // A slow reader: between what it has read and its fill others write.
    if (Math.random() < 0.1) await delay(Math.random() * 250)
    return row?.version
  },
}
const items = cache.namespace({ name: 'item', graceMs: 10_000, ...options })
const local = cache.namespace({ name: 'local', tier1Only: true, ...options })

process.on('disconnect', () => process.exit())
await cache.whenUsable(5_000)
if (role === 'doomed') await writeAndDie()
else await readAndWrite()

async function readAndWrite() {
  const reads: ReadRecord[] = []
  const from: Record<string, number> = {}
  const failures: string[] = []
  await send({ kind: 'ready' })
  await new Promise((resolve) => process.once('message', resolve))
  const until = monotonicMs() + seconds * 1_000
  const loop = (work: () => Promise<void>, pauseMs: number) =>
    (async () => {
      while (monotonicMs() < until) {
        await work().catch((error: unknown) => failures.push(String(error)))
        await delay(Math.random() * pauseMs)
      }
    })()
  const readOne = async () => {
    const key = Math.random() < 0.8 ? randomKey() : localKey()
    const startedAt = monotonicMs()
    const hit = await namespaceOf(key).get(key)
    note(key, startedAt, hit)
  }
  const readMany = async () => {
    const wanted = Array.from({ length: 50 }, randomKey)
    const startedAt = monotonicMs()
    const hits = await items.getMany(wanted)
    hits.forEach((hit, index) => {
      note(wanted[index] ?? 0, startedAt, hit)
    })
  }
  const note = (key: number, startedAt: number, hit: { value: number | undefined; from: string }) => {
    reads.push([key, hit.value ?? -1, startedAt, monotonicMs()])
    from[hit.from] = (from[hit.from] ?? 0) + 1
  }
  const writeOne = async () => {
    const { key, version, rows } = await commit(Math.random() < 0.8 ? randomKey() : localKey())
    if (Math.random() < 0.1) await delay(Math.random() * 30)
    const { undelivered } = await cache.deliver(
      [namespaceOf(key).keyOf(key)],
      without.includes('outbox') ? [] : rows,
    )
    await send({
      kind: 'written',
      write: { key, version, at: monotonicMs(), delivered: undelivered.length === 0 },
    })
  }
  await Promise.all([
    ...Array.from({ length: 6 }, () => loop(readOne, 3)),
    loop(readMany, 20),
    ...Array.from({ length: 2 }, () => loop(writeOne, 30)),
  ])
  await send({ kind: 'done', reads, from, failures, stats: cache.stats() })
  await cache.close()
  await sql.end()
  process.disconnect?.()
}

async function writeAndDie() {
  const writes = await Promise.all(Array.from({ length: 20 }, () => commit(quietKey())))
  const at = monotonicMs()
  for (const { key, version } of writes)
    await send({ kind: 'committed', write: { key, version, at, delivered: false } })
  process.kill(process.pid, 'SIGKILL')
}

/** The way of a service's write: the row and its cache key in one transaction. */
async function commit(key: number) {
  return sql.begin(async (tx) => {
    const [row] = await tx<
      { version: number }[]
    >`UPDATE items SET version = version + 1 WHERE id = ${key} RETURNING version`
    const rows = await insertIntoOutbox(tx, [namespaceOf(key).keyOf(key)])
    return { key, version: row?.version ?? -1, rows: [...rows] }
  })
}

/** Some keys are read and written much more often than others. */
function randomKey(): number {
  return 1 + Math.floor(Math.random() ** 2 * keys)
}

function localKey(): number {
  return keys + 1 + Math.floor(Math.random() * localKeys)
}

function namespaceOf(key: number) {
  return key > keys ? local : items
}

/** One that is seldom written, so that what a dead writer has left is not healed by the next write. */
function quietKey(): number {
  return Math.ceil(keys * (0.5 + Math.random() / 2))
}

function send(message: WorkerMessage): Promise<void> {
  return new Promise((resolve) => process.send?.(message, undefined, undefined, () => resolve()))
}
