import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import type { RedisTarget, Safeguard } from '../../src/index.ts'
import { createOutboxTable } from '../postgres-outbox.ts'
import { check, type Findings } from './check.ts'
import { monotonicMs } from './clock.ts'
import type { ReadRecord, WorkerMessage, WorkerOrders, WriteRecord } from './messages.ts'

export type CoherenceOptions = {
  redis: RedisTarget
  databaseUrl: string
  seconds: number
  without?: Safeguard[]
  /** Faults besides those of the processes: called once, side by side with the run; `at(share)` waits for a share of it. */
  faults: (at: (share: number) => Promise<void>) => Promise<void>
}

export type CoherenceReport = Findings & {
  reads: number
  writes: number
  from: Record<string, number>
  failures: string[]
  /** Writes answered before their invalidation had reached Redis. */
  undelivered: number
  paused: number
  killed: number
}

const PROCESSES = 4
const KEYS = 200
const LOCAL_KEYS = 20

/**
 * Four processes read and write 220 keys, 20 of them in tier 1 alone, with random holds between load and fill, while processes are paused and
 * continued, writers are killed between commit and invalidation, and `faults` does its own.
 */
export async function runCoherence(options: CoherenceOptions): Promise<CoherenceReport> {
  const { redis, databaseUrl, seconds, without = [], faults } = options
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} })
  await sql`DROP TABLE IF EXISTS items, cache_outbox, cache_registrations`
  await sql`CREATE TABLE items (id int PRIMARY KEY, version int NOT NULL)`
  await sql`INSERT INTO items SELECT id, 1 FROM generate_series(1, ${KEYS + LOCAL_KEYS}) AS id`
  await createOutboxTable(sql)
  await sql.end()

  const orders = { databaseUrl, redis, without, keys: KEYS, localKeys: LOCAL_KEYS, seconds }
  const written: WriteRecord[] = []
  const results: (WorkerMessage & { kind: 'done' })[] = []
  const workers = Array.from({ length: PROCESSES }, () => start({ ...orders, role: 'reader' }))
  const messages = workers.map((worker) => {
    const ready = Promise.withResolvers<void>()
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'ready') ready.resolve()
      if (message.kind === 'written') written.push(message.write)
      if (message.kind === 'done') results.push(message)
    })
    worker.once('exit', (code) => ready.reject(new Error(`a process ended with ${code}`)))
    return ready.promise
  })
  const ends = workers.map((worker) => once(worker, 'exit'))
  try {
    await Promise.all(messages)
    const startedAt = monotonicMs()
    const at = (share: number) =>
      delay(Math.max(0, startedAt + share * seconds * 1_000 - monotonicMs())) as Promise<void>
    for (const worker of workers) worker.send('go')
    const [paused, killed] = await Promise.all([
      pauseAndContinue(workers, at),
      killWriters({ ...orders, role: 'doomed' }, at, written),
      faults(at),
    ])
    await Promise.all(ends)
    const reads: ReadRecord[][] = results.map((result) => result.reads)
    return {
      ...check(reads, written),
      reads: reads.reduce((sum, own) => sum + own.length, 0),
      writes: written.length,
      from: sumOf(results.map((result) => result.from)),
      failures: results.flatMap((result) => result.failures),
      undelivered: written.filter((write) => !write.delivered).length,
      paused,
      killed,
    }
  } finally {
    for (const worker of workers) if (worker.exitCode === null) worker.kill('SIGKILL')
  }
}

async function pauseAndContinue(
  workers: ChildProcess[],
  at: (share: number) => Promise<void>,
): Promise<number> {
  let count = 0
  for (let share = 0.15; share < 0.85; share += 0.14) {
    await at(share)
    const worker = workers[count % workers.length]
    worker?.kill('SIGSTOP')
    await delay(800)
    worker?.kill('SIGCONT')
    count++
  }
  return count
}

async function killWriters(
  orders: WorkerOrders,
  at: (share: number) => Promise<void>,
  written: WriteRecord[],
): Promise<number> {
  let count = 0
  for (const share of [0.1, 0.3, 0.5]) {
    await at(share)
    const worker = start(orders)
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'committed') written.push(message.write)
    })
    const [, signal] = await once(worker, 'exit')
    if (signal === 'SIGKILL') count++
  }
  return count
}

function start(orders: WorkerOrders): ChildProcess {
  const { NODE_OPTIONS: _, NODE_V8_COVERAGE: __, ...env } = process.env
  return fork(fileURLToPath(new URL('worker.ts', import.meta.url)), [JSON.stringify(orders)], {
    execArgv: [],
    env,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
}

function sumOf(counts: readonly Record<string, number>[]): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const count of counts)
    for (const [name, value] of Object.entries(count)) sum[name] = (sum[name] ?? 0) + value
  return sum
}
