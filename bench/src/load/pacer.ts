import { once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

/** Beats at a fixed rate. */
export interface Metronome {
  /** Resolves after the last beat was handed over. */
  readonly done: Promise<void>
  stop(): void
}

interface Beat {
  readonly startMs: number
  readonly intervalMs: number
  readonly beats: number
}

/**
 * Calls `onBeat(dueMs)` at a fixed rate, `dueMs` on the clock of `monotonicMs()`.
 *
 * The timers of the event loop know whole milliseconds, which puts half a millisecond into every latency that is counted
 * from the due time. A thread that sleeps on a futex wakes up to 0.1 ms late at the median (p99 0.3 ms), without spinning.
 */
export function startMetronome(options: {
  ratePerSecond: number
  durationMs: number
  onBeat: (dueMs: number) => void
}): Metronome {
  const { ratePerSecond, durationMs, onBeat } = options
  const beat: Beat = {
    startMs: monotonicMs() + 60,
    intervalMs: 1000 / ratePerSecond,
    beats: Math.max(1, Math.round((ratePerSecond * durationMs) / 1000)),
  }
  const worker = new Worker(new URL(import.meta.url), { workerData: { metronome: beat } })
  worker.on('message', onBeat)
  return {
    done: once(worker, 'exit').then(() => undefined),
    stop: () => void worker.terminate(),
  }
}

/** The clock that threads of one process share, in milliseconds. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

function beatFromThread({ startMs, intervalMs, beats }: Beat): void {
  const never = new Int32Array(new SharedArrayBuffer(4))
  for (let i = 0; i < beats; i++) {
    const due = startMs + i * intervalMs
    for (let left = due - monotonicMs(); left > 0.02; left = due - monotonicMs())
      Atomics.wait(never, 0, 0, left)
    parentPort?.postMessage(due)
  }
}

if (!isMainThread && workerData?.metronome !== undefined) beatFromThread(workerData.metronome)
