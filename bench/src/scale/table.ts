import { alignColumns, number, times } from '../report/format.ts'
import type { ScaleResults } from '../report/scale-schema.ts'

/** The hot calls of a larger database may take this much longer. */
export const MOST_GROWTH = 1.3

/** The results as a table for a terminal. */
export function renderScale({ databases, calls, replicas }: ScaleResults): string {
  const header = [
    '',
    ...databases.flatMap(({ factor }) =>
      factor === 1 ? ['p50 ms', 'p99 ms'] : [`${factor}×`, '95 %', 'p99 ms'],
    ),
    '',
  ]
  const rows = calls.map(({ name, sizes, statements }) => [
    name,
    ...sizes.flatMap(({ p50Ms, p99Ms, growth }, size) =>
      databases[size]?.factor === 1
        ? [p50Ms.toFixed(2), p99Ms.toFixed(2)]
        : [times(growth.ratio), interval(growth), p99Ms.toFixed(2)],
    ),
    statements.map(({ accesses }) => accesses.join(', ')).join('; ') || 'no statement',
  ])
  const sizes = databases.map(
    ({ factor, users, orders }) =>
      `${factor}×: ${users.toLocaleString('en')} users, ${orders.toLocaleString('en')} orders`,
  )
  const behindNginx = replicas.map(({ replicas, notRun, ratePerSecond, gain }) => [
    `${replicas} behind nginx`,
    ...(notRun === undefined
      ? [`${number(ratePerSecond)}/s`, times(gain.ratio), interval(gain)]
      : ['–', '–', `not run: ${notRun}`]),
  ])
  const parts = [
    sizes.join('\n'),
    alignColumns([header, ...rows], header.length - 1),
    alignColumns([['replicas', 'pages of 100 orders', 'gain', '95 %'], ...behindNginx], 3),
  ]
  return `${parts.join('\n\n')}\n`
}

/** The calls that grow more than they may, and the plans with faults, a sentence each. */
export function faultsOf({ databases, calls }: ScaleResults): string[] {
  return calls.flatMap(({ name, sizes, statements }) => [
    ...sizes.flatMap(({ growth, errors }, size) => {
      const rows = `${databases[size]?.factor}× the rows`
      return [
        ...(growth.low > MOST_GROWTH
          ? [`${name} takes ${growth.ratio.toFixed(2)} times as long with ${rows}`]
          : []),
        ...(errors > 0 ? [`${name}: ${errors} requests failed with ${rows}`] : []),
      ]
    }),
    ...statements.flatMap(({ statement, faults }) => faults.map((fault) => `${name}: ${statement} ${fault}`)),
  ])
}

/** One boot has no interval. */
function interval({ low, high }: { low: number; high: number | null }): string {
  return high === null ? '–' : `${low.toFixed(2)}–${high.toFixed(2)}`
}
