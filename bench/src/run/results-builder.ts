import type { FingerprintResult, Results } from '../report/schema.ts'
import type { Dataset } from '../stack/dataset.ts'
import type { MeasuredScenario } from './boots.ts'
import { summarise } from './summary.ts'
import { warningsOf } from './warnings.ts'

/** Builds the results of one run. */
interface ResultsBuilder {
  /** ISO 8601; the result files are named after it. */
  readonly startedAt: string
  /** On the clock of `performance.now()`. */
  readonly beganMs: number
  finish(of: {
    readonly fingerprint: FingerprintResult
    readonly measured: readonly MeasuredScenario[]
    /** False after an interruption. */
    readonly complete: boolean
  }): Results
}

/** Call at the start of a run. */
export function createResultsBuilder({ dataset }: { readonly dataset: Dataset }): ResultsBuilder {
  const startedAt = new Date().toISOString()
  const beganMs = performance.now()
  return {
    startedAt,
    beganMs,
    finish({ fingerprint, measured, complete }) {
      const results: Results = {
        schemaVersion: 2,
        startedAt,
        finishedAt: new Date().toISOString(),
        seconds: Math.round((performance.now() - beganMs) / 100) / 10,
        complete,
        command: ['pnpm bench', ...process.argv.slice(2)].join(' '),
        fingerprint,
        world: { ...dataset },
        warnings: [],
        scenarios: summarise(measured),
      }
      const lost = measured.flatMap(({ scenario, lost = [] }) =>
        lost.map((why) => `not counted: ${scenario.name}, ${why}`),
      )
      return { ...results, warnings: [...warningsOf(results), ...lost] }
    },
  }
}
