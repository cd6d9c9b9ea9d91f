import { Type } from 'typebox'

/** The `limit` of lists: the number of rows of a page. */
export const Limit = Type.Optional(
  Type.Integer({ minimum: 1, maximum: 500, default: 50, description: 'How many rows' }),
)

/** The position that a page starts after: `next` of the page before. */
export const Cursor = Type.Optional(
  Type.String({ minLength: 1, maxLength: 200, description: '`next` of the page before' }),
)

/** The query of a list without filters. */
export const PageQuery = Type.Object({ limit: Limit, after: Cursor }, { additionalProperties: false })

/** The response schema of one page of rows; `next` is null on the last one. */
export const page = <T extends Parameters<typeof Type.Array>[0]>(item: T) =>
  Type.Object({
    items: Type.Array(item),
    next: Type.Union([Type.String(), Type.Null()], { description: '`after` of the next page' }),
  })

/** One page of a keyset list, and the cursor of the next one. */
export interface Page<Row> {
  readonly items: Row[]
  /** Null on the last page. */
  readonly next: string | null
}

/**
 * Reads one page. One row more than asked is read, which shows without counting whether there is a next page.
 *
 * @param read resolves with at most `limit` rows
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
