import type { Request } from '../load/request.ts'
import type { ProcessPlan, RunningProcess } from '../stack/process.ts'
import type { OpenSide } from './sides.ts'

/** Something that cannot be measured on this machine, and why. */
interface AbsentSide {
  readonly kind: 'absent'
  readonly name: string
  readonly label: string
  readonly reason: string
}

interface ProcessSide {
  readonly kind: 'process'
  readonly name: string
  readonly label: string
  /** The name of one of the group's processes. */
  readonly process: string
  /** False for a program that is not compiled while it runs: it needs no warm-up. Default true. */
  readonly jit?: boolean
}

interface ToolSide {
  readonly kind: 'tool'
  readonly name: string
  readonly label: string
  /** Called once a boot, while the group's processes run. */
  readonly open: (processes: ReadonlyMap<string, RunningProcess>) => Promise<OpenSide>
}

export type SidePlan = ProcessSide | ToolSide | AbsentSide

/** One path, and what it is measured beside. */
export interface RowPlan {
  readonly name: string
  readonly title: string
  readonly about: string
  readonly connections: number
  readonly requests: readonly Request[]
  /** The duration of each slice, for rows with a tool. Default: by the rate of each side. */
  readonly sliceMs?: number
  /** The first one is ours: the others are compared with it. */
  readonly sides: readonly SidePlan[]
  /** `x-cache` of our replies, which proves that the row measures what it names. */
  readonly tier?: 'l1' | 'l2' | 'off'
  /** Replies of all processes must be the same bytes rather than the same JSON. */
  readonly sameBytes?: boolean
}

/** Processes that are alive at once, and the rows that load them. */
export interface GroupPlan {
  readonly processes: readonly ProcessPlan[]
  readonly rows: readonly RowPlan[]
}

/** Processes whose start and memory are compared, the first one being ours. */
export interface StartPlan {
  readonly processes: readonly (ProcessPlan & { readonly label: string })[]
  /** The load before memory is read for the second time. */
  readonly requests: readonly Request[]
}
