import { hash } from 'node:crypto'
import { AppError } from '@reference/errors'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { COMPRESS_FROM_BYTES } from './precompressed.ts'
import { described } from './schemas.ts'

/** The header of a change that must not overwrite another one. */
export const IfMatchHeader = Type.Object({
  'if-match': Type.Optional(
    Type.String({
      description:
        'The `etag` of the row that the change is based on: it is refused (412) when the row is another one by now.',
      examples: ['"q5vXnkHq2N6lK0yI8nZ3Wg"'],
    }),
  ),
})

/** The documentation of the reply 304. */
export const NOT_CHANGED = described('The client has this row: `if-none-match` names its `etag`', Type.Null())

/** 132 bits of a SHA-256. */
const TAG_CHARACTERS = 22

/**
 * The entity tag (RFC 9110, 8.8.3) of a row, from the bytes of its JSON. It is weak for a row that is large enough to be compressed:
 * its other encodings have other bytes.
 */
export function etagOf(json: string | Buffer): string {
  const tag = `"${hash('sha256', json, 'base64url').slice(0, TAG_CHARACTERS)}"`
  return Buffer.byteLength(json) < COMPRESS_FROM_BYTES ? tag : `W/${tag}`
}

/** Whether a tag is in the value of `if-none-match`: the client has this row already (RFC 9110, 13.1.2). */
export function isKnown(ifNoneMatch: string, tag: string): boolean {
  return ifNoneMatch.trim() === '*' || tagsOf(ifNoneMatch).includes(opaque(tag))
}

/**
 * Checks `if-match` against the present row (RFC 9110, 13.1.1). Call it in the transaction of the change, with the row locked. The
 * comparison ignores weakness: rows are read as a whole, and never by range.
 *
 * @throws `ROW_CHANGED` (412) when the row is another one
 */
export function checkIfMatch({ headers }: Pick<FastifyRequest, 'headers'>, row: object): void {
  const wanted = headers['if-match']
  if (wanted === undefined || wanted.trim() === '*') return
  if (tagsOf(wanted).includes(opaque(etagOf(JSON.stringify(row))))) return
  throw new AppError('ROW_CHANGED', 412, 'The row was changed since it was read', {
    errors: [{ field: 'if-match', message: 'is not the etag of the present row' }],
  })
}

/** The quoted parts; anything else is no tag. */
function tagsOf(list: string): readonly string[] {
  return list.match(/"[\x21\x23-\x7e\x80-\xff]*"/g) ?? []
}

function opaque(tag: string): string {
  return tag.startsWith('W/') ? tag.slice(2) : tag
}
