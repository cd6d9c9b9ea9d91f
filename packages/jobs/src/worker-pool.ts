import { availableParallelism } from 'node:os'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Transferable } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { Registry } from 'prom-client'
import {
  WorkerCrashedError,
  WorkerPoolClosedError,
  WorkerQueueFullError,
  WorkerTimeoutError,
} from './errors.ts'
import { createWorkerPoolMetrics } from './metrics.ts'

export type WorkerPoolOptions = {
  /** A module, `.ts` too, that exports its task as default and any others by name. A path or a `file:` URL. */
  filename: string | URL
  /** 0: tasks run on the main thread, to compare. Default: one less than the machine's processors, at least 1. */
  threads?: number
  /** Tasks that may wait for a thread. Default 100. */
  maxQueue?: number
  /** From the call to the answer, the wait for a thread included. Default 30,000. */
  timeoutMs?: number
  /**
   * Threads start with the first task that finds none, and end after so long without one. Default: they start with the pool
   * and stay. For a module that is heavy and seldom used.
   */
  keepIdleMs?: number
  /** Heap of one thread, with 24 MB for new objects beside it; past it the thread dies (WORKER_CRASHED). Default: V8's. */
  maxHeapMb?: number
  registry?: Registry
}

export type RunOptions = {
  /** The export to run. Default `default`. */
  name?: string
  /** What is moved to the worker instead of copied: the caller can no longer read it. */
  transferList?: readonly Transferable[]
  signal?: AbortSignal
  /** Instead of the pool's. */
  timeoutMs?: number
}

export type WorkerPool = {
  /**
   * Runs a task in a thread. Send and return strings, buffers or transferables: objects are copied field by field on
   * both sides. An abort or a timeout of a running task kills its thread, which is the only way to stop what does not
   * yield; see the README for what a new thread costs the next task.
   * Throws WorkerQueueFullError (503), WorkerTimeoutError (504), WorkerCrashedError (500), the signal's reason, or
   * what the task threw.
   */
  run<T>(task: unknown, options?: RunOptions): Promise<T>
  stats(): { threads: number; running: number; waiting: number }
  /** Lets running and waiting tasks end within `timeoutMs`, then ends the threads. */
  close(): Promise<void>
}

/**
 * Below the thread of the event loop, which then gets a core first; only on Linux does it count for the thread alone. Beside
 * reports on 2 busy cores that thread waited 12.6 % of the time for a core instead of 15.5 %. Without the addon that sets
 * it, nothing happens.
 */
const NICE = process.platform === 'linux' ? 10 : 0

type Task = (task: unknown) => unknown

/** A bounded pool of worker threads for CPU work. */
export function createWorkerPool(options: WorkerPoolOptions): WorkerPool {
  const { maxQueue = 100, registry } = options
  const threads = options.threads ?? Math.max(1, availableParallelism() - 1)
  const url = options.filename instanceof URL ? options.filename : toFileUrl(options.filename)
  const pool = threads === 0 ? undefined : createThreads(url, threads, maxQueue, options)
  const module: Promise<Record<string, unknown>> | undefined = threads === 0 ? import(url.href) : undefined
  // Whoever runs a task hears of it.
  module?.catch(() => {})

  let running = 0
  let closed: Promise<void> | undefined
  const idle: (() => void)[] = []
  const metrics = registry && createWorkerPoolMetrics(registry, stats)

  function stats() {
    const waiting = pool?.queueSize ?? 0
    return { threads, running: running - waiting, waiting }
  }

  async function run<T>(task: unknown, runOptions: RunOptions = {}): Promise<T> {
    const { name = 'default', signal, transferList } = runOptions
    const timeoutMs = runOptions.timeoutMs ?? options.timeoutMs ?? 30_000
    signal?.throwIfAborted()
    if (closed) throw new WorkerPoolClosedError()
    if (running >= Math.max(threads, 1) + maxQueue) {
      metrics?.rejected()
      throw new WorkerQueueFullError(maxQueue)
    }

    running++
    const began = performance.now()
    const timeout = new AbortController()
    const timer = setTimeout(() => timeout.abort(), timeoutMs)
    const stop = signal ? AbortSignal.any([signal, timeout.signal]) : timeout.signal
    let outcome: 'ok' | 'error' | 'timeout' | 'crashed' | 'aborted' = 'ok'
    try {
      const result = pool
        ? await pool.run(task, {
            name,
            signal: stop,
            ...(transferList && { transferList: piscinaList(transferList) }),
          })
        : await runHere(task, name, stop)
      return result as T
    } catch (error) {
      if (timeout.signal.aborted) {
        outcome = 'timeout'
        throw new WorkerTimeoutError(timeoutMs)
      }
      if (signal?.aborted) {
        outcome = 'aborted'
        throw signal.reason
      }
      if (isCrash(error)) {
        outcome = 'crashed'
        throw new WorkerCrashedError(error)
      }
      outcome = 'error'
      throw error
    } finally {
      clearTimeout(timer)
      running--
      metrics?.finished(outcome, (performance.now() - began) / 1000)
      if (running === 0) for (const resolve of idle.splice(0)) resolve()
    }
  }

  async function runHere(task: unknown, name: string, stop: AbortSignal): Promise<unknown> {
    const exported = (await module)?.[name]
    if (typeof exported !== 'function') throw new TypeError(`${url.href} exports no function ${name}.`)
    stop.throwIfAborted()
    const { promise, reject } = Promise.withResolvers<never>()
    const onAbort = () => reject(stop.reason)
    stop.addEventListener('abort', onAbort, { once: true })
    return Promise.race([Promise.resolve((exported as Task)(task)), promise]).finally(() =>
      stop.removeEventListener('abort', onAbort),
    )
  }

  async function close(): Promise<void> {
    if (running > 0) {
      await new Promise<void>((resolve) => {
        idle.push(resolve)
      })
    }
    await pool?.destroy()
  }

  return {
    run,
    stats,
    close: () => {
      closed ??= close()
      return closed
    },
  }
}

/**
 * What a thread with a bounded heap has for new objects. Left to V8 it is 96 MB outside of a container, and a thread that had
 * made one report held 100 MB; with this 30 (`RssAnon`).
 */
const YOUNG_MB = 24

function createThreads(
  url: URL,
  threads: number,
  maxQueue: number,
  { keepIdleMs, maxHeapMb }: Pick<WorkerPoolOptions, 'keepIdleMs' | 'maxHeapMb'>,
): Piscina {
  const pool = new Piscina({
    filename: fileURLToPath(url),
    ...(keepIdleMs === undefined ? { minThreads: threads } : { minThreads: 0, idleTimeout: keepIdleMs }),
    maxThreads: threads,
    maxQueue,
    // A thread needs none of the process's --import hooks (tracing, test loaders), and starts sooner without them.
    execArgv: [],
    // Spinning on shared memory between tasks saves microseconds a task and blocks a thread's other events.
    atomics: 'disabled',
    recordTiming: false,
    niceIncrement: NICE,
    ...(maxHeapMb === undefined
      ? {}
      : {
          resourceLimits: { maxOldGenerationSizeMb: maxHeapMb, maxYoungGenerationSizeMb: YOUNG_MB },
        }),
  })
  // A thread that dies between tasks is replaced; there is no caller to tell.
  pool.on('error', () => {})
  return pool
}

type PiscinaList = NonNullable<NonNullable<Parameters<Piscina['run']>[1]>['transferList']>

// Its type follows the last overload of postMessage, which takes an object; the code takes an array.
function piscinaList(transferList: readonly Transferable[]): PiscinaList {
  return [...transferList] as unknown as PiscinaList
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
