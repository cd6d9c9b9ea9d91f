import type { FastifyReply } from 'fastify'
import { etagOf, isKnown } from './etag.ts'
import { type CachedReply, type HotHead, type HotRead, type HotRoute, hotHead } from './hot-reply.ts'
import { MAX_ID } from './schemas.ts'

const JSON_TYPE = 'application/json; charset=utf-8'

/** A source of cached rows; a namespace of packages/cache is one. */
export interface CachedReplies<Key> {
  /** A tier-1 hit, or undefined. */
  getSync(key: Key): CachedReply | undefined
  get(key: Key): Promise<CachedReply>
  /**
   * The bytes of a tier-1 hit as a latin1 string; undefined when the value is not in tier 1, does not exist, or is longer than
   * `maxBytes`. A caller that gets undefined asks again with `getSync` or `get`, so only a hit is counted.
   */
  getText(key: Key, maxBytes?: number): string | undefined
}

/** For replies of one row, which are too short to be compressed: without the hook a reply costs 1.7 µs less. */
export const shortReply = { compress: false } as const

/** Sends JSON text without a serialiser. The route's response schema is documentation, and tests check the reply against it. */
export function sendJson(reply: FastifyReply, json: string | Buffer): FastifyReply {
  return reply.type(JSON_TYPE).send(json)
}

/**
 * Answers with a cached row. The cache holds the JSON itself, so a hit is sent unchanged, and a tier-1 hit is answered
 * without a promise. `x-cache` names the source.
 *
 * A request with `if-none-match` gets the row's `etag`, and 304 when it names that tag already. Other replies have no `etag`: a hot reply
 * would have to look it up and to write a further header, and one constant header alone took 5 % more CPU time (12.6 µs against 12.0 in 40 interleaved
 * slices of 1 s).
 *
 * @param missing creates the error for a row that does not exist
 */
export function sendCached<Key>(
  reply: FastifyReply,
  replies: CachedReplies<Key>,
  key: Key,
  missing: () => Error,
): void | Promise<void> {
  const { begun } = reply.request
  if (begun !== undefined) return begun.found.then((found) => send(reply, found, missing))
  const hit = replies.getSync(key)
  if (hit !== undefined) return send(reply, hit, missing)
  return replies.get(key).then((found) => send(reply, found, missing))
}

function send(reply: FastifyReply, { bytes, from }: CachedReply, missing: () => Error): void {
  reply.header('x-cache', from)
  if (bytes === undefined) throw missing()
  const known = reply.request.headers['if-none-match']
  if (known !== undefined) {
    const tag = etagOf(bytes)
    reply.header('etag', tag)
    if (isKnown(known, tag)) {
      reply.code(304).send()
      return
    }
  }
  sendJson(reply, bytes)
}

type HotSource<Key> = Pick<CachedReplies<Key>, 'get' | 'getText'>

interface HotConfig {
  readonly hot: HotRoute
  readonly hotRead: HotRead
}

/** The hot part of a route of one row by the id in its URL, whose handler is {@link sendCached}. */
export function hotRow(replies: HotSource<number>): HotConfig {
  return hotText(replies, idOf)
}

/** {@link hotRow} for keys that match a pattern of unreserved characters, which a URL does not encode. */
export function hotKey(replies: HotSource<string>, pattern: RegExp): HotConfig {
  return hotText(replies, (text) => (pattern.test(text) ? text : undefined))
}

function hotText<Key>(replies: HotSource<Key>, keyOf: (text: string) => Key | undefined): HotConfig {
  const heads = new Map<string, HotHead>()
  const headOf = (from: string) => {
    const known = heads.get(from)
    if (known !== undefined) return known
    const made = hotHead({ 'x-cache': from, 'content-type': JSON_TYPE })
    heads.set(from, made)
    return made
  }
  const head = headOf('l1')
  const hotRead: HotRead<Key> = { keyOf, headOf, get: (key) => replies.get(key) }
  return {
    hotRead: hotRead as HotRead,
    hot({ rest, maxBytes }) {
      const key = keyOf(rest)
      if (key === undefined) return undefined
      const body = replies.getText(key, maxBytes)
      return body === undefined ? undefined : { head, body }
    },
  }
}

/** The number of a canonical id: decimal digits without leading zero, in range. */
function idOf(text: string): number | undefined {
  if (text.length === 0 || text.length > MAX_ID_DIGITS) return undefined
  let id = 0
  for (let index = 0; index < text.length; index++) {
    const digit = text.charCodeAt(index) - DIGIT_0
    if (digit < 0 || digit > 9 || (digit === 0 && index === 0)) return undefined
    id = id * 10 + digit
  }
  return id <= MAX_ID ? id : undefined
}

const MAX_ID_DIGITS = String(MAX_ID).length
const DIGIT_0 = 48
