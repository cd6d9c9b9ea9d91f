import { Type } from 'typebox'
import type { KeysetCursor } from './cursor.ts'

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

/** Writes rows, in the form in which they were read, as JSON: `JsonList` of `@reference/database`. */
export interface PageEncoder {
  encodePage(
    rows: Uint8Array,
    limit: number,
  ): { readonly items: Buffer; readonly lastRow: string | undefined; readonly hasMore: boolean }
}

/**
 * Reads one page of a keyset list as its JSON. One row more than asked is read, which shows without counting whether there is a
 * next page. No row becomes an object, except the last one for its cursor.
 *
 * @param limit the number of rows of the page
 * @param read resolves with at most as many rows as it is asked for, in the form that the encoder takes
 * @param cursor writes the position of the last row
 * @returns the reply `{ items, next }`
 */
export async function readPage<Position>(
  limit: number,
  read: (rows: number) => Promise<Uint8Array>,
  encoder: PageEncoder,
  cursor: Pick<KeysetCursor<Position>, 'encode'>,
): Promise<Buffer> {
  const { items, lastRow, hasMore } = encoder.encodePage(await read(limit + 1), limit)
  const next = hasMore && lastRow !== undefined ? cursor.encode(JSON.parse(lastRow) as Position) : null
  return Buffer.concat([ITEMS, items, Buffer.from(`,"next":${JSON.stringify(next)}}`)])
}

const ITEMS = Buffer.from('{"items":')
