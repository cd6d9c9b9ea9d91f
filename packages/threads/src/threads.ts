import { fileURLToPath } from 'node:url'
import type { Transferable } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { Runner } from './runner.ts'

/**
 * Below the thread of the event loop, which then gets a core first; only on Linux does it apply to the thread alone. Beside
 * reports on 2 busy cores the event loop waited 12.6 % of the time for a core instead of 15.5 %. Without the native addon that
 * sets it, it has no effect.
 */
const NICE = process.platform === 'linux' ? 10 : 0

/**
 * Space for new objects in a thread with a bounded heap. V8's default is 96 MB outside of a container, and a thread that had
 * made one report kept 100 MB; with this value 30 MB (`RssAnon`).
 */
const YOUNG_MB = 24

export interface ThreadsOptions {
  readonly threads: number
  readonly maxQueue: number
  readonly keepIdleMs: number | undefined
  readonly maxHeapMb: number | undefined
}

/**
 * Runs tasks in worker threads, one task a thread at a time. An abort of a running task ends its thread.
 *
 * @param url of the module whose exports are the tasks
 */
export function createThreads(url: URL, options: ThreadsOptions): Runner {
  const pool = createPiscina(url, options)
  return {
    get queueSize() {
      return pool.queueSize
    },
    run: (task, { name = 'default', transferList }, signal) =>
      pool.run(task, { name, signal, ...(transferList && { transferList: piscinaList(transferList) }) }),
    destroy: () => pool.destroy(),
  }
}

function createPiscina(url: URL, { threads, maxQueue, keepIdleMs, maxHeapMb }: ThreadsOptions): Piscina {
  const pool = new Piscina({
    filename: fileURLToPath(url),
    ...(keepIdleMs === undefined ? { minThreads: threads } : { minThreads: 0, idleTimeout: keepIdleMs }),
    maxThreads: threads,
    maxQueue,
    // A thread needs none of the process's --import hooks (tracing, test loaders), and starts sooner without them.
    execArgv: [],
    // Waiting on shared memory between tasks saves microseconds a task and blocks the thread's other events.
    atomics: 'disabled',
    recordTiming: false,
    niceIncrement: NICE,
    ...(maxHeapMb === undefined
      ? {}
      : { resourceLimits: { maxOldGenerationSizeMb: maxHeapMb, maxYoungGenerationSizeMb: YOUNG_MB } }),
  })
  // A thread that ends between tasks is replaced; no caller waits for it.
  pool.on('error', () => {})
  return pool
}

type PiscinaList = NonNullable<NonNullable<Parameters<Piscina['run']>[1]>['transferList']>

// Piscina derives the type from the last overload of postMessage, which takes an object; its code takes an array.
function piscinaList(transferList: readonly Transferable[]): PiscinaList {
  return [...transferList] as unknown as PiscinaList
}
