import type { Transferable } from 'node:worker_threads'

/** Where tasks run. */
export interface Runner {
  /** Tasks that wait for a thread. */
  readonly queueSize: number
  /** @throws what the task throws; anything once `signal` has aborted */
  run(task: unknown, options: RunnerOptions, signal: AbortSignal): Promise<unknown>
  destroy(): Promise<void>
}

export interface RunnerOptions {
  /** The export to run. Default `default`. */
  readonly name?: string
  /** Objects that are moved to the thread instead of copied: the caller can no longer read them. */
  readonly transferList?: readonly Transferable[]
}
