import { availableParallelism } from 'node:os'
import { pathToFileURL } from 'node:url'
import type { Registry } from '@prometheus-io/client'
import { createAbortScope } from '@reference/async'
import { poolClosed, queueFull, taskTimedOut, threadCrashed } from './errors.ts'
import { createMainThread } from './main-thread.ts'
import {
  createWorkerPoolMetrics,
  type Outcome,
  type WorkerPoolMetrics,
  type WorkerPoolStats,
} from './metrics.ts'
import type { Runner, RunnerOptions } from './runner.ts'
import { createThreads } from './threads.ts'

export interface WorkerPoolOptions {
  /** A module, `.ts` too, that exports its task as default and any others by name. A path or a `file:` URL. */
  readonly filename: string | URL
  /** 0: tasks run on the main thread, for comparison. Default: one less than the machine's processors, at least 1. */
  readonly threads?: number
  /** The most tasks that may wait for a thread. Default 100. */
  readonly maxQueue?: number
  /** Deadline of a task from its call on, the wait for a thread included. Default 30,000. */
  readonly timeoutMs?: number
  /**
   * Threads start with the first task that finds none, and end when idle for this time. Default: they start with the pool and
   * stay. For a module that is heavy and seldom used.
   */
  readonly keepIdleMs?: number
  /** Heap of one thread, with 24 MB for new objects beside it; a thread that exceeds it ends (WORKER_CRASHED). Default: V8's. */
  readonly maxHeapMb?: number
  readonly registry?: Registry
}

export interface RunOptions extends RunnerOptions {
  readonly signal?: AbortSignal
  /** In place of the pool's. */
  readonly timeoutMs?: number
}

export interface WorkerPool {
  /**
   * Runs a task in a thread. Send and return strings, buffers or transferables: objects are copied field by field on both
   * sides. An abort or a timeout of a running task ends its thread, because nothing else stops code that does not yield; the
   * README says what a new thread costs the next task.
   *
   * @throws AppError `WORKER_QUEUE_FULL` (503), `WORKER_TIMEOUT` (504), `WORKER_CRASHED` (500) or `WORKER_POOL_CLOSED` (503);
   *   the signal's reason; what the task threw
   */
  run<T>(task: unknown, options?: RunOptions): Promise<T>
  stats(): WorkerPoolStats
  /** Accepts no more tasks, waits for those in the pool, then ends the threads. */
  close(): Promise<void>
}

const MAX_QUEUE = 100
const TIMEOUT_MS = 30_000

/** A bounded pool of worker threads for CPU work. */
export function createWorkerPool(options: WorkerPoolOptions): WorkerPool {
  return new BoundedPool(options)
}

class BoundedPool implements WorkerPool {
  readonly #threads: number
  readonly #maxQueue: number
  readonly #timeoutMs: number
  readonly #runner: Runner
  readonly #metrics: WorkerPoolMetrics | undefined
  /** Tasks in the pool, running and waiting. */
  #tasks = 0
  #closed: Promise<void> | undefined
  #onIdle: (() => void) | undefined

  constructor(options: WorkerPoolOptions) {
    const { filename, keepIdleMs, maxHeapMb, registry } = options
    const url = filename instanceof URL ? filename : toFileUrl(filename)
    const threads = options.threads ?? Math.max(1, availableParallelism() - 1)
    const maxQueue = options.maxQueue ?? MAX_QUEUE
    this.#threads = threads
    this.#maxQueue = maxQueue
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    this.#runner =
      threads === 0 ? createMainThread(url) : createThreads(url, { threads, maxQueue, keepIdleMs, maxHeapMb })
    this.#metrics = registry && createWorkerPoolMetrics(registry, () => this.stats())
  }

  stats(): WorkerPoolStats {
    const waiting = this.#runner.queueSize
    return { threads: this.#threads, running: this.#tasks - waiting, waiting }
  }

  async run<T>(task: unknown, options: RunOptions = {}): Promise<T> {
    const { signal, timeoutMs = this.#timeoutMs } = options
    signal?.throwIfAborted()
    if (this.#closed) throw poolClosed()
    if (this.#tasks >= Math.max(this.#threads, 1) + this.#maxQueue) {
      this.#metrics?.rejected()
      throw queueFull(this.#maxQueue)
    }
    this.#tasks++
    const began = performance.now()
    const scope = createAbortScope({ parent: signal, timeoutMs })
    let outcome: Outcome = 'ok'
    try {
      return (await this.#runner.run(task, options, scope.signal)) as T
    } catch (error) {
      const failure = failureOf(error, { signal, scope: scope.signal, timeoutMs })
      outcome = failure.outcome
      throw failure.error
    } finally {
      scope.close()
      this.#tasks--
      this.#metrics?.finished(outcome, (performance.now() - began) / 1000)
      if (this.#tasks === 0) this.#onIdle?.()
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#end()
    return this.#closed
  }

  async #end(): Promise<void> {
    if (this.#tasks > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
    }
    await this.#runner.destroy()
  }
}

/** The error that the caller of a task gets, and how the task is counted. */
function failureOf(
  error: unknown,
  { signal, scope, timeoutMs }: { signal: AbortSignal | undefined; scope: AbortSignal; timeoutMs: number },
): { outcome: Outcome; error: unknown } {
  // The first abort counts: the scope keeps its reason when the caller aborts after the deadline.
  if (scope.aborted && scope.reason === signal?.reason) return { outcome: 'aborted', error: scope.reason }
  if (scope.aborted) return { outcome: 'timeout', error: taskTimedOut(timeoutMs) }
  if (isCrash(error)) return { outcome: 'crashed', error: threadCrashed(error) }
  return { outcome: 'error', error }
}

function toFileUrl(filename: string): URL {
  return filename.startsWith('file:') ? new URL(filename) : pathToFileURL(filename)
}

function isCrash(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code: unknown = Reflect.get(error, 'code')
  if (typeof code === 'string' && code.startsWith('ERR_WORKER_')) return true
  return error.message.startsWith('worker exited with code') || error.message === 'Terminating worker thread'
}
