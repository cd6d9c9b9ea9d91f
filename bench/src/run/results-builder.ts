import type { Arguments } from '../commands/arguments.ts'
import type { FingerprintResult, Results } from '../report/schema.ts'
import type { Measured } from './rounds.ts'
import { summarise } from './summary.ts'
import { warningsOf } from './warnings.ts'

/** What every command that writes results says of itself. */
export interface Recording {
  /** ISO 8601; results are named after it. */
  readonly startedAt: string
  /** On the clock of `performance.now()`. */
  readonly beganMs: number
  /** The results as of now: head, verdicts over all that was measured, warnings. */
  finish(of: {
    readonly fingerprint: FingerprintResult
    readonly measured: readonly Measured[]
    /** False when it was interrupted. */
    readonly complete: boolean
  }): Results
}

/** Begins a run: the head of its results is made here, whichever command it is. */
export function startRecording({ world, allowNoise }: Arguments): Recording {
  const startedAt = new Date().toISOString()
  const beganMs = performance.now()
  return {
    startedAt,
    beganMs,
    finish({ fingerprint, measured, complete }) {
      const results: Results = {
        schemaVersion: 1,
        startedAt,
        finishedAt: new Date().toISOString(),
        seconds: Math.round((performance.now() - beganMs) / 100) / 10,
        complete,
        command: ['pnpm bench', ...process.argv.slice(2)].join(' '),
        fingerprint,
        world: { ...world },
        warnings: [],
        scenarios: summarise(measured),
      }
      return { ...results, warnings: warningsOf(results, allowNoise) }
    },
  }
}
