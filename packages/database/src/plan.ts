/** A node of `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)`; figures are a loop's mean. */
export type PlanNode = {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Actual Rows'?: number
  'Actual Loops'?: number
  'Plan Rows': number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  Filter?: string
  'Shared Hit Blocks'?: number
  'Shared Read Blocks'?: number
  Plans?: PlanNode[]
}

/** How a plan comes to the rows of one table. */
export type Access = {
  table: string
  /** `Seq Scan`, `Index Scan`, `Index Only Scan`, `Bitmap Heap Scan` … */
  how: string
  index: string | undefined
  /** Rows that it looked at, and those that it passed on; undefined when the statement was only planned. */
  read: number | undefined
  passed: number | undefined
  filter: string | undefined
}

/** What a plan is held against. */
export type Table = { name: string; rows: number }

/** From so many rows a table is big: reading all of it is felt. */
export const bigFromRows = 1000

/** A hot statement may look at so many rows, or so many times what it passes on, whichever is more. */
const freeRows = 1000
const rowsPerRow = 20

export function accessesOf(node: PlanNode): Access[] {
  const below = (node.Plans ?? []).flatMap(accessesOf)
  const table = node['Relation Name']
  if (table === undefined || !node['Node Type'].endsWith('Scan')) return below
  const loops = node['Actual Loops']
  const passed = loops === undefined ? undefined : (node['Actual Rows'] ?? 0) * loops
  const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)
  return [
    {
      table,
      how: node['Node Type'],
      // A bitmap's index is in the nodes below.
      index: node['Index Name'] ?? indexBelow(node),
      read: passed === undefined ? undefined : passed + removed * (loops ?? 1),
      passed,
      filter: node.Filter,
    },
    ...below,
  ]
}

function indexBelow(node: PlanNode): string | undefined {
  for (const child of node.Plans ?? []) {
    const found = child['Index Name'] ?? indexBelow(child)
    if (found !== undefined) return found
  }
  return undefined
}

/** Pages of 8 kB that a plan touched: found in shared buffers, and read from outside of them. */
export function buffersOf(node: PlanNode): { hit: number; read: number } {
  return { hit: node['Shared Hit Blocks'] ?? 0, read: node['Shared Read Blocks'] ?? 0 }
}

/**
 * What is wrong with the plan of a hot statement: it reads a big table from one end to the other, or looks at far more
 * rows of it than it needs, which is what a wrong index looks like.
 *
 * @returns a sentence for each fault
 */
export function faultsOf(plan: PlanNode, tables: ReadonlyMap<string, number>): string[] {
  return accessesOf(plan).flatMap(({ table, how, index, read, passed, filter }) => {
    const rows = tables.get(table) ?? 0
    if (how === 'Seq Scan' && rows >= bigFromRows) {
      return [`reads all of ${table} (${rows} rows): no index serves ${filter ?? 'its order'}`]
    }
    if (read !== undefined && passed !== undefined && read > Math.max(freeRows, passed * rowsPerRow)) {
      const by = index === undefined ? how : `${how} of ${index}`
      return [
        `looks at ${read} rows of ${table} for ${passed} of them (${by}, then ${filter ?? 'a recheck'})`,
      ]
    }
    return []
  })
}

/** Of a plan that was made with `enable_seqscan = off`: a table that is read whole all the same has no index for it. */
export function tablesWithoutIndex(plan: PlanNode): string[] {
  return accessesOf(plan)
    .filter(({ how }) => how === 'Seq Scan')
    .map(({ table, filter }) => `has no index of ${table} to use for ${filter ?? 'its order'}`)
}
