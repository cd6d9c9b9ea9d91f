import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import type { RedisTarget } from '../../index.ts'
import type { Safeguard } from '../../safeguards.ts'
import { createOutboxTable } from '../postgres-outbox.ts'
import { check, type Findings } from './check.ts'
import { LostTime, monotonicMs } from './clock.ts'
import { ALL_KEYS } from './items.ts'
import type { ReadRecord, WorkerMessage, WorkerOrders, WriteRecord } from './messages.ts'

interface CoherenceOptions {
  redis: RedisTarget
  databaseUrl: string
  seconds: number
  without?: Safeguard[]
  /** Faults besides those of the processes: called once, in parallel to the run; `at(share)` waits until a share of the run has passed. */
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
/** When a doomed writer commits and is killed, as a share of the run. */
const DEATHS = [0.1, 0.3, 0.5]

/**
 * Four processes read and write 220 keys, 20 of them in tier 1 alone, with random pauses between load and fill. Meanwhile
 * processes are paused and continued, writers are killed between commit and invalidation, and `faults` adds its own faults.
 */
export async function runCoherence(options: CoherenceOptions): Promise<CoherenceReport> {
  const { redis, databaseUrl, seconds, without = [], faults } = options
  await createTables(databaseUrl)
  const orders: WorkerOrders = { databaseUrl, redis, without, seconds }
  const workers = Array.from({ length: PROCESSES }, () => start('worker.ts', JSON.stringify(orders)))
  // Started before the run: on a busy machine a process takes longer to start than a short run lasts.
  const doomed = DEATHS.map(() => start('doomed-writer.ts', databaseUrl))
  const written: WriteRecord[] = []
  const results: (WorkerMessage & { kind: 'done' })[] = []
  const ready = [...workers, ...doomed].map((child) => {
    child.on('message', (message: WorkerMessage) => {
      if (message.kind === 'written') written.push(message.write)
      if (message.kind === 'done') results.push(message)
    })
    return untilReady(child)
  })
  const lost = new LostTime()
  const ends = workers.map((worker) => once(worker, 'exit'))
  try {
    await Promise.all(ready)
    const startedAt = monotonicMs()
    const at = (share: number) =>
      delay(Math.max(0, startedAt + share * seconds * 1_000 - monotonicMs())) as Promise<void>
    for (const worker of workers) worker.send('go')
    const [paused, killed] = await Promise.all([
      pauseAndContinue(workers, at),
      killWriters(doomed, at),
      faults(at),
    ])
    await Promise.all(ends)
    const reads: ReadRecord[][] = results.map((result) => result.reads)
    return {
      ...check(reads, written, lost),
      reads: reads.reduce((sum, own) => sum + own.length, 0),
      writes: written.length,
      from: sumOf(results.map((result) => result.from)),
      failures: results.flatMap((result) => result.failures),
      undelivered: written.filter((write) => !write.delivered).length,
      paused,
      killed,
    }
  } finally {
    lost.stop()
    for (const child of [...workers, ...doomed]) if (child.exitCode === null) child.kill('SIGKILL')
  }
}

async function createTables(databaseUrl: string): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} })
  await sql`DROP TABLE IF EXISTS items, cache_outbox, cache_registrations`
  await sql`CREATE TABLE items (id int PRIMARY KEY, version int NOT NULL)`
  await sql`INSERT INTO items SELECT id, 1 FROM generate_series(1, ${ALL_KEYS}) AS id`
  await createOutboxTable(sql)
  await sql.end()
}

function untilReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('message', ({ kind }: WorkerMessage) => kind === 'ready' && resolve())
    child.once('exit', (code) => reject(new Error(`a process ended with ${code}`)))
  })
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

/** @returns how many writers were killed between commit and invalidation */
async function killWriters(
  writers: readonly ChildProcess[],
  at: (share: number) => Promise<void>,
): Promise<number> {
  const signals: string[] = []
  for (const [index, writer] of writers.entries()) {
    await at(DEATHS[index] ?? 0)
    const exit = once(writer, 'exit')
    writer.send('go')
    const [, signal] = await exit
    signals.push(signal)
  }
  return signals.filter((signal) => signal === 'SIGKILL').length
}

function start(file: string, argument: string): ChildProcess {
  const { NODE_OPTIONS: _, NODE_V8_COVERAGE: __, ...env } = process.env
  return fork(fileURLToPath(new URL(file, import.meta.url)), [argument], {
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
