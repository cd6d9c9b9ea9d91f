/** The calls during a fault; a column each in docs/FAULTS.md. */
export const KINDS = ['health', 'cached read', 'list', 'write', 'job', 'aggregate'] as const

/** A cell of tests/faults/recorded.json. */
export interface RecordedCell {
  readonly system: string
  readonly fault: string
  readonly heldMs: number
  readonly outcomes: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly slowestMs: Readonly<Record<string, number>>
  readonly recoveryMs: number
  readonly acknowledged: number
  readonly exit: number | string | null
}

/** The whole file. */
export interface RecordedFaults {
  readonly node: string
  readonly cores: number
  readonly date: string
  readonly cells: readonly RecordedCell[]
}
