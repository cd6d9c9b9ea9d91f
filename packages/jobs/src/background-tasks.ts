import { AsyncLocalStorage } from 'node:async_hooks'
import type { Registry } from 'prom-client'
import { BackgroundQueueFullError } from './errors.ts'
import { createBackgroundMetrics } from './metrics.ts'

export type BackgroundTask = (signal: AbortSignal) => Promise<unknown> | unknown

export type BackgroundTasksOptions = {
  /** Tasks at once. Default 4. */
  maxConcurrent?: number
  /** Tasks that may wait. Default 100. */
  maxQueue?: number
  /** Told of each task that fails: nobody else is. */
  onError?(error: unknown): void
  registry?: Registry
}

export type BackgroundTasks = {
  /** Runs a task after the caller has gone on. Throws BackgroundQueueFullError (503) when too many wait, or after `drain`. */
  add(task: BackgroundTask): void
  /** As `add`, for what nobody misses: false instead of an error when it was not taken. */
  offer(task: BackgroundTask): boolean
  /**
   * Takes no more tasks and waits for those there are. When `signal` aborts, running tasks get theirs and those that
   * wait are dropped; resolves with how many were lost.
   */
  drain(signal?: AbortSignal): Promise<{ dropped: number }>
  stats(): { running: number; waiting: number }
}

/**
 * Work in this process after the reply, for what may be lost: it dies with the process and shares its event loop.
 * What must not be lost is a job; what takes CPU time belongs in a worker thread.
 */
export function createBackgroundTasks(options: BackgroundTasksOptions = {}): BackgroundTasks {
  const { maxConcurrent = 4, maxQueue = 100, onError, registry } = options
  /** What begins each. */
  const waiting: (() => void)[] = []
  const aborting = new AbortController()
  const idle: (() => void)[] = []
  const metrics = registry && createBackgroundMetrics(registry, () => ({ running, waiting: waiting.length }))
  let running = 0
  let draining = false

  async function run(task: BackgroundTask): Promise<void> {
    running++
    try {
      await task(aborting.signal)
      metrics?.finished('done')
    } catch (error) {
      metrics?.finished('failed')
      onError?.(error)
    } finally {
      running--
      next()
    }
  }

  function next(): void {
    const begin = running < maxConcurrent ? waiting.shift() : undefined
    if (begin) begin()
    else if (running === 0 && waiting.length === 0) for (const resolve of idle.splice(0)) resolve()
  }

  function add(task: BackgroundTask): void {
    if (offer(task)) return
    throw new BackgroundQueueFullError(
      draining ? 'Background tasks are shutting down.' : `${maxQueue} background tasks already wait.`,
    )
  }

  function offer(task: BackgroundTask): boolean {
    if (draining || (running >= maxConcurrent && waiting.length >= maxQueue)) {
      metrics?.finished('refused')
      return false
    }
    if (running >= maxConcurrent) {
      // Begun by whichever task ends before it, whose trace and log lines it would otherwise be part of.
      waiting.push(AsyncLocalStorage.bind(() => void run(task)))
      return true
    }
    // Held from this moment, begun only after the caller has gone on to send its reply.
    void run(async (signal) => {
      await new Promise((resolve) => setImmediate(resolve))
      await task(signal)
    })
    return true
  }

  async function drain(signal?: AbortSignal): Promise<{ dropped: number }> {
    draining = true
    if (running === 0 && waiting.length === 0) return { dropped: 0 }
    const { promise, resolve } = Promise.withResolvers<{ dropped: number }>()
    idle.push(() => resolve({ dropped: 0 }))
    const onAbort = () => {
      aborting.abort(signal?.reason)
      resolve({ dropped: running + waiting.splice(0).length })
    }
    if (signal?.aborted) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
    return promise.finally(() => signal?.removeEventListener('abort', onAbort))
  }

  return { add, offer, drain, stats: () => ({ running, waiting: waiting.length }) }
}
