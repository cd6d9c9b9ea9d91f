import { createHash } from 'node:crypto'
import { queries, type Transaction } from '@reference/database'
import canonicalize from 'canonicalize'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { idempotencyKeyReused } from './errors.ts'
import type { Change } from './write.ts'

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

/** The reply to a call that made something. */
export function created(location: string, row: object): StoredReply {
  return { status: 201, headers: { location }, body: JSON.stringify(row) }
}

export function sendStored(reply: FastifyReply, { status, headers, body }: StoredReply): FastifyReply {
  return reply.code(status).headers(headers).type('application/json; charset=utf-8').send(Buffer.from(body))
}

/**
 * Makes a change happen once per `idempotency-key`, however often the client sends it, within 24 h.
 *
 * The reply is stored in the change's own transaction: either both are there or neither. A repetition that arrives
 * while the first still runs waits for its commit and then gets its reply. A change that fails stores nothing and may
 * be tried again with the same key. Bodies are compared in canonical form (RFC 8785), so white space and the order of
 * names do not matter. After the IETF draft "The Idempotency-Key HTTP Header Field".
 *
 * @throws 422 when the key came before with another body
 */
export function once(request: FastifyRequest, change: Change<StoredReply>): Change<StoredReply> {
  const key = request.headers['idempotency-key']
  if (typeof key !== 'string') return change
  // A key is its caller's own: nobody gets the reply to somebody else's request.
  const scope = [request.method, request.routeOptions.url, request.caller ?? ''].join(' ').trimEnd()
  return async (tx) => {
    const bodySha256 = sha256(canonicalize(request.body) ?? '')
    const earlier = await earlierReply(tx, scope, key)
    if (earlier !== undefined) {
      if (earlier.bodySha256 !== bodySha256) throw idempotencyKeyReused()
      const { status, headers, body } = earlier
      return {
        result: { status, headers: { ...headers, 'idempotency-replayed': 'true' }, body },
        staleKeys: [],
      }
    }
    const written = await change(tx)
    const { status, headers, body } = written.result
    await tx.run(queries.idempotencyInsert, {
      ...{ scope, key, bodySha256, status, body },
      headersJson: JSON.stringify(headers),
    })
    return written
  }
}

async function earlierReply(tx: Transaction, scope: string, key: string) {
  await tx.run(queries.idempotencyLock, { scope, key })
  return tx.first(queries.idempotencyGet, { scope, key })
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
