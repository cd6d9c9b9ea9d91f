import type { BenchStack } from './stack.ts'

/** A container in the path of the requests: in front of the service, or between the service and Postgres. */
export interface Sidecar {
  /** The address for requests (or statements) instead of the one behind it. */
  readonly url: string
  readonly container: string
  readonly pid: number
  /** Its own counters, by name. */
  counters(): Promise<Readonly<Record<string, number>>>
  stop(): Promise<void>
}

interface SidecarOptions {
  /** URL of the service or database behind it. */
  readonly behind: string
  readonly stack: BenchStack
  readonly cores: readonly number[]
  /** For its files; removed at the end of the run. */
  readonly folder: string
  readonly signal: AbortSignal
}

export interface SidecarKind {
  readonly name: string
  /**
   * Makes its image available, once a run.
   *
   * @returns why it cannot run on this machine, or undefined
   */
  prepare(signal: AbortSignal): Promise<string | undefined>
  start(options: SidecarOptions): Promise<Sidecar>
}
