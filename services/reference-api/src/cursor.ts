import type { OrderCursor } from '@reference/database'
import { invalid, MAX_ID } from '@reference/http'

/**
 * Keyset cursors: the sort key of the last row of a page, opaque and URL-safe. Unlike an offset, a page costs the same
 * however deep it lies, and rows that are added or removed meanwhile make no duplicates and no gaps.
 */

/** Position in a list that is ordered by id. */
export function encodeIdCursor({ id }: { readonly id: number }): string {
  return encode(`${id}`)
}

/** @throws 400 naming `after` when the text is no cursor of ours */
export function decodeIdCursor(text: string): number {
  const [, id] = /^([1-9]\d{0,9})$/.exec(decode(text)) ?? []
  return rowId(id)
}

/** Position in the list of orders, newest first: the time of creation in ms since the epoch, ties broken by id. */
export function encodeOrderCursor({ createdAt, id }: OrderCursor): string {
  return encode(`${Date.parse(createdAt)}.${id}`)
}

/** @throws 400 naming `after` when the text is no cursor of ours */
export function decodeOrderCursor(text: string): OrderCursor {
  const [, time, id] = /^(0|-?[1-9]\d{0,14})\.([1-9]\d{0,9})$/.exec(decode(text)) ?? []
  return { id: rowId(id), createdAt: moment(Number(time)) }
}

function encode(text: string): string {
  return Buffer.from(text, 'latin1').toString('base64url')
}

/** Only the one spelling that `encode` writes is read: Buffer's own decoder skips what it does not know. */
function decode(text: string): string {
  const decoded = Buffer.from(text, 'base64url').toString('latin1')
  if (encode(decoded) !== text) throw notACursor()
  return decoded
}

/** From year 1 to 9999: lists hold no other moments. */
const MOMENTS = {
  first: Date.parse('0001-01-01T00:00:00.000Z'),
  last: Date.parse('9999-12-31T23:59:59.999Z'),
}

function moment(ms: number): string {
  if (!(ms >= MOMENTS.first && ms <= MOMENTS.last)) throw notACursor()
  return new Date(ms).toISOString()
}

function rowId(digits: string | undefined): number {
  const id = Number(digits)
  if (!(id <= MAX_ID)) throw notACursor()
  return id
}

function notACursor(): Error {
  return invalid([{ field: 'after', message: 'must be the `next` of an earlier page' }])
}
