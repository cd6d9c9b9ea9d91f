import { createHash } from 'node:crypto'
import { AppError } from '@reference/errors'
import canonicalize from 'canonicalize'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { etagOf } from './etag.ts'

/** The header that makes a call safe to repeat. */
export const IdempotencyHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      pattern: '^[\\x21-\\x7e]{1,255}$',
      description: 'Repeating the call with the same key within 24 h repeats its answer, not its effect.',
      examples: ['2f1c7a1e-order-17'],
    }),
  ),
})

/** A reply that can be stored and sent again. */
export interface StoredReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** JSON text. */
  readonly body: string
}

/** A change inside a transaction: its reply, and the cache keys that it made stale. */
export type ReplyingChange<Tx> = (tx: Tx) => Promise<{
  readonly result: StoredReply
  readonly staleKeys: readonly string[]
}>

/** Where replies are kept, in the transaction of the change. */
export interface IdempotencyStore<Tx> {
  /** Locks the key until the transaction ends and reads its reply. */
  find(tx: Tx, key: IdempotencyKey): Promise<(StoredReply & { readonly bodySha256: string }) | undefined>
  save(tx: Tx, key: IdempotencyKey, reply: StoredReply & { readonly bodySha256: string }): Promise<void>
}

export interface IdempotencyKey {
  /** Method, route and caller: a key is valid for one caller of one route. */
  readonly scope: string
  readonly key: string
}

export type Once<Tx> = (request: FastifyRequest, change: ReplyingChange<Tx>) => ReplyingChange<Tx>

/** The 201 reply to a call that created a row, with the `etag` of the row. */
export function created(location: string, row: object): StoredReply {
  const body = JSON.stringify(row)
  return { status: 201, headers: { location, etag: etagOf(body) }, body }
}

export function sendStored(reply: FastifyReply, { status, headers, body }: StoredReply): FastifyReply {
  return reply.code(status).headers(headers).type('application/json; charset=utf-8').send(Buffer.from(body))
}

/**
 * Makes `once(request, change)`: the change happens once for each `idempotency-key` within 24 h, however often the
 * client sends it. A request without the header gets its change back unaltered.
 *
 * The reply is stored in the change's own transaction: either both exist or neither. A repetition that arrives while the
 * first request runs waits for its commit and then gets its reply. A change that fails stores nothing, so the client may
 * try again with the same key. Bodies are compared in canonical form (RFC 8785): white space and the order of names do
 * not matter. After the IETF draft "The Idempotency-Key HTTP Header Field".
 *
 * @throws `IDEMPOTENCY_KEY_REUSED` (422), inside the change, when the key was used with another body
 */
export function createOnce<Tx>(store: IdempotencyStore<Tx>): Once<Tx> {
  return (request, change) => {
    const key = request.headers['idempotency-key']
    if (typeof key !== 'string') return change
    // The caller is part of the scope: a client must never receive the reply to another client's request.
    const scope = [request.method, request.routeOptions.url, request.caller ?? ''].join(' ').trimEnd()
    return async (tx) => {
      const bodySha256 = sha256(canonicalize(request.body) ?? '')
      const earlier = await store.find(tx, { scope, key })
      if (earlier !== undefined) return { result: replay(earlier, bodySha256), staleKeys: [] }
      const written = await change(tx)
      await store.save(tx, { scope, key }, { ...written.result, bodySha256 })
      return written
    }
  }
}

function replay(
  { status, headers, body, ...earlier }: StoredReply & { readonly bodySha256: string },
  bodySha256: string,
): StoredReply {
  if (earlier.bodySha256 !== bodySha256) {
    throw new AppError('IDEMPOTENCY_KEY_REUSED', 422, 'This idempotency key came before with another body', {
      errors: [{ field: 'idempotency-key', message: 'belongs to an earlier request with another body' }],
    })
  }
  return { status, headers: { ...headers, 'idempotency-replayed': 'true' }, body }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
