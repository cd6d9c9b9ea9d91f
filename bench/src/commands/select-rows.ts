import { UsageError } from '@reference/cli'
import type { GroupPlan } from '../duet/plan.ts'

/**
 * The groups with only the rows of these names; all when there are none.
 *
 * @throws UsageError for a name that no row has
 */
export function selectRows(groups: readonly GroupPlan[], names: readonly string[]): GroupPlan[] {
  const known = groups.flatMap(({ rows }) => rows.map(({ name }) => name))
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new UsageError(`There is no row ${unknown}; there are ${known.join(', ')}`)
  if (names.length === 0) return [...groups]
  return groups.flatMap((group) => {
    const rows = group.rows.filter(({ name }) => names.includes(name))
    const used = new Set(
      rows.flatMap(({ sides }) => sides.map((side) => (side.kind === 'process' ? side.process : undefined))),
    )
    const processes = group.processes.filter(({ name }) => used.has(name))
    return rows.length === 0 ? [] : [{ processes, rows }]
  })
}
