import type { ScaleResults } from '../report/scale-schema.ts'
import type { ScaledDatabase } from './databases.ts'
import type { CallResult } from './measure.ts'

export function scaleResults(
  about: Pick<ScaleResults, 'startedAt' | 'command' | 'fingerprint' | 'ratePerSecond' | 'replicas'>,
  databases: readonly ScaledDatabase[],
  calls: readonly CallResult[],
): ScaleResults {
  return {
    schemaVersion: 1,
    kind: 'scale',
    ...about,
    databases: databases.map(({ factor, dataset: { users, orders } }) => ({ factor, users, orders })),
    calls: calls.map(({ call, sizes }) => ({
      name: call.name,
      sizes: [...sizes],
      statements: call.statements.map((statement) => {
        const plans = databases.map(({ plans }) => plans.get(statement))
        return {
          statement,
          accesses: [...(plans.at(-1)?.accesses ?? [])],
          pages: plans.map((plan) => plan?.pages ?? 0),
          faults: [...new Set(plans.flatMap((plan) => plan?.faults ?? []))],
        }
      }),
    })),
  }
}
