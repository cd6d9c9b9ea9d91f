import { invalid } from './problems.ts'
import { MAX_ID } from './schemas.ts'

/** One column of a sort key: how its value is written into a cursor and read back. */
export interface CursorColumn<Value> {
  /** @returns text without a `.` */
  write(value: Value): string
  /** @returns undefined for text that `write` cannot have written */
  read(text: string): Value | undefined
}

type Columns<Position> = { readonly [Name in keyof Position]: CursorColumn<Position[Name]> }

/** A position in a sorted list as opaque, URL-safe text. */
export interface KeysetCursor<Position> {
  encode(row: Position): string
  /** @throws 400 naming `after` when `encode` cannot have written the text */
  decode(text: string): Position
}

/** A row id, 1…{@link MAX_ID}. */
export const ID_COLUMN: CursorColumn<number> = {
  write: (id) => `${id}`,
  read: (text) => (/^[1-9]\d{0,9}$/.test(text) && Number(text) <= MAX_ID ? Number(text) : undefined),
}

const FIRST_TIMESTAMP_MS = Date.parse('0001-01-01T00:00:00.000Z')
const LAST_TIMESTAMP_MS = Date.parse('9999-12-31T23:59:59.999Z')

/** An ISO 8601 time of the years 1 to 9999, in milliseconds since the epoch. */
export const TIMESTAMP_COLUMN: CursorColumn<string> = {
  write: (iso) => `${Date.parse(iso)}`,
  read(text) {
    const ms = Number(text)
    if (!/^(0|-?[1-9]\d{0,14})$/.test(text) || ms < FIRST_TIMESTAMP_MS || ms > LAST_TIMESTAMP_MS) return
    return new Date(ms).toISOString()
  },
}

/**
 * A keyset cursor: the sort key of the last row of a page. Unlike an offset, a page costs the same at any depth, and rows
 * that are added or removed between two pages cause neither duplicates nor gaps.
 *
 * @param columns the sort key, most significant column first; the last one must be unique
 *
 * @example
 * const ORDER_CURSOR = createKeysetCursor({ createdAt: TIMESTAMP_COLUMN, id: ID_COLUMN })
 */
export function createKeysetCursor<Position extends object>(
  columns: Columns<Position>,
): KeysetCursor<Position> {
  const names = Object.keys(columns) as (keyof Position)[]
  return {
    encode: (row) => toBase64Url(names.map((name) => columns[name].write(row[name])).join('.')),
    decode(text) {
      const parts = fromBase64Url(text).split('.')
      if (parts.length !== names.length) throw notACursor()
      const values = names.map((name, at) => {
        const value = columns[name].read(parts[at] ?? '')
        if (value === undefined) throw notACursor()
        return [name, value]
      })
      return Object.fromEntries(values) as Position
    },
  }
}

/** The cursor of a list that is sorted by id. */
export const ID_CURSOR = createKeysetCursor({ id: ID_COLUMN })

function toBase64Url(text: string): string {
  return Buffer.from(text, 'latin1').toString('base64url')
}

/** Accepts only the spelling that `toBase64Url` writes: Buffer's decoder skips characters that it does not know. */
function fromBase64Url(text: string): string {
  const decoded = Buffer.from(text, 'base64url').toString('latin1')
  if (toBase64Url(decoded) !== text) throw notACursor()
  return decoded
}

function notACursor(): Error {
  return invalid([{ field: 'after', message: 'must be the `next` of an earlier page' }])
}
