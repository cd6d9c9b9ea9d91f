/** A node of `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)`; the figures are means of its loops. */
export interface PlanNode {
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

/** How a plan reads the rows of one table. */
export interface Access {
  table: string
  /** `Seq Scan`, `Index Scan`, `Index Only Scan`, `Bitmap Heap Scan` … */
  how: string
  index: string | undefined
  /** Rows read, and rows returned to the node above; undefined when the statement was only planned. */
  read: number | undefined
  passed: number | undefined
  filter: string | undefined
}

/** From this number of rows on a table is big: a scan of all of it is noticeable. */
export const BIG_TABLE_ROWS = 1000

/** A hot statement may read `FREE_ROWS` rows, or `ROWS_PER_ROW` times the rows that it returns, whichever is more. */
const FREE_ROWS = 1000
const ROWS_PER_ROW = 20

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
      // The index of a bitmap scan is in the nodes below.
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

/** Pages (8 kB) that a plan touched: `hit` in shared buffers, `read` from outside of them. */
export function buffersOf(node: PlanNode): { hit: number; read: number } {
  return { hit: node['Shared Hit Blocks'] ?? 0, read: node['Shared Read Blocks'] ?? 0 }
}

/**
 * Finds the faults of the plan of a hot statement: it scans a whole big table, or reads far more rows than it returns, as with a
 * wrong index.
 *
 * @returns a sentence for each fault
 */
export function faultsOf(plan: PlanNode, tables: ReadonlyMap<string, number>): string[] {
  return accessesOf(plan).flatMap(({ table, how, index, read, passed, filter }) => {
    const rows = tables.get(table) ?? 0
    if (how === 'Seq Scan' && rows >= BIG_TABLE_ROWS) {
      return [`reads all of ${table} (${rows} rows): no index serves ${filter ?? 'its order'}`]
    }
    if (read !== undefined && passed !== undefined && read > Math.max(FREE_ROWS, passed * ROWS_PER_ROW)) {
      const by = index === undefined ? how : `${how} of ${index}`
      return [
        `looks at ${read} rows of ${table} for ${passed} of them (${by}, then ${filter ?? 'a recheck'})`,
      ]
    }
    return []
  })
}

/** Finds the tables that a plan scans whole in spite of `enable_seqscan = off`: no index can be used. */
export function tablesWithoutIndex(plan: PlanNode): string[] {
  return accessesOf(plan)
    .filter(({ how }) => how === 'Seq Scan')
    .map(({ table, filter }) => `has no index of ${table} to use for ${filter ?? 'its order'}`)
}
