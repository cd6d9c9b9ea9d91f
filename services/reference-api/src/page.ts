/** One page of a keyset list, and where the next one starts. */
export interface Page<Row> {
  readonly items: Row[]
  /** Null on the last page. */
  readonly next: string | null
}

/**
 * Reads one row more than asked: whether there is a next page is then known without counting.
 *
 * @param read gives at most that many rows
 */
export async function readPage<Row>(
  limit: number,
  read: (limit: number) => Promise<Row[]>,
  cursorOf: (row: Row) => string,
): Promise<Page<Row>> {
  const rows = await read(limit + 1)
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items, next: rows.length > limit && last !== undefined ? cursorOf(last) : null }
}
