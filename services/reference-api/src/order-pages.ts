import { mustExist } from '@reference/errors'
import {
  clientSignal,
  createKeysetCursor,
  createSharedReplies,
  type Encoding,
  type HotReply,
  type HotRequest,
  hotHead,
  ID_COLUMN,
  negotiate,
  precompress,
  readPage,
  TIMESTAMP_COLUMN,
} from '@reference/http'
import type { OrderStatus } from '@reference/shop/orders/model'
import { NEWEST_ORDER, ordersPage } from '@reference/shop/orders/queries'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Context } from './context.ts'

/** Newest first, ties broken by id. */
const ORDER_CURSOR = createKeysetCursor({ createdAt: TIMESTAMP_COLUMN, id: ID_COLUMN })

export interface OrdersQuery {
  readonly userId?: number | undefined
  readonly status?: OrderStatus | undefined
  readonly limit?: number | undefined
  readonly after?: string | undefined
}

interface Body {
  readonly encoding: Encoding
  readonly bytes: Buffer
}

const ENCODINGS: readonly Encoding[] = ['identity', 'br', 'zstd', 'gzip']

interface PageKey extends OrdersQuery {
  readonly encoding: Encoding
}

/**
 * Pages of orders as whole stored replies: a hit is neither serialised nor compressed.
 *
 * A page changes with every order, so it is not invalidated. It expires after `CACHE_PAGE_TTL_MS`, which `cache-control` states.
 * Each content encoding is an entry of its own, created by its first request. Without stored replies, requests for the same page
 * at the same time share a read.
 */
export function createOrderPages({
  cache,
  database,
  config,
}: Pick<Context, 'cache' | 'database' | 'config'>) {
  const ttlMs = config.cachePageTtlMs
  const sendShared = createSharedReplies(config.sharedReads)
  const stored = cache.namespace({
    name: 'order-page',
    version: 1,
    ttlMs: Math.max(1, ttlMs),
    ttlOnly: true,
    encode: ({ encoding, bytes }: Body) => Buffer.concat([Buffer.of(ENCODINGS.indexOf(encoding)), bytes]),
    decode: (stored): Body => ({
      encoding: ENCODINGS[stored[0] ?? 0] ?? 'identity',
      bytes: stored.subarray(1),
    }),
    load: async (key: string, { signal }) => {
      const { encoding, ...query } = JSON.parse(key) as PageKey
      return compress(encoding, await read(query, signal))
    },
  })

  function read({ userId, status, limit = 50, after }: OrdersQuery, signal?: AbortSignal) {
    const from = after === undefined ? NEWEST_ORDER : ORDER_CURSOR.decode(after)
    const statement = ordersPage({ userId, status })
    return readPage(
      limit,
      (rows) => database.replica.bytes(statement, { userId, status, limit: rows, ...from }, { signal }),
      statement,
      ORDER_CURSOR,
    )
  }

  function headersOf(from: string, encoding: Encoding): Record<string, string> {
    return {
      'x-cache': from,
      vary: 'accept-encoding',
      'cache-control': `max-age=${Math.floor(ttlMs / 1000)}`,
      'content-type': 'application/json; charset=utf-8',
      ...(encoding !== 'identity' && { 'content-encoding': encoding }),
    }
  }

  const keys = new KnownKeys()
  const heads = ENCODINGS.map((encoding) => hotHead(headersOf('l1', encoding)))

  /** A page in tier 1, for a query that the handler has answered before. */
  function hot({ rest, acceptEncoding }: HotRequest): HotReply | undefined {
    const key = keys.get(rest, config.compression ? acceptEncoding : undefined)
    const text = key === undefined ? undefined : stored.getText(key)
    if (text === undefined) return undefined
    const head = heads[text.charCodeAt(0)]
    return head && { head, body: text.slice(1) }
  }

  return {
    /** Stored replies are compressed already, so the route does without the compression hook. */
    route: ttlMs === 0 ? {} : { compress: false as const, config: { hot } },

    async send(request: FastifyRequest, reply: FastifyReply, query: OrdersQuery) {
      const { userId, status, limit, after } = query
      if (ttlMs === 0) {
        const key = JSON.stringify([userId, status, limit, after])
        return sendShared(reply, key, (signal) => read(query, signal), clientSignal(reply))
      }
      if (after !== undefined) ORDER_CURSOR.decode(after)
      const accepted = config.compression ? request.headers['accept-encoding'] : undefined
      const wanted = negotiate(accepted)
      const key: PageKey = { encoding: wanted, userId, status, limit, after }
      const storedKey = JSON.stringify(key)
      keys.remember(request.raw.url ?? '', accepted, storedKey)
      const { value, from } = await stored.get(storedKey)
      const { encoding, bytes } = mustExist(value)
      return reply.headers(headersOf(from, encoding)).send(bytes)
    },
  }
}

/** Queries with their encodings for which the key is remembered, and the length of the longest. */
const MAX_KNOWN = 1000
const MAX_LENGTH = 256

/** Keys of stored pages by the raw query and `accept-encoding` of requests whose query was validated. */
class KnownKeys {
  readonly #byQuery = new Map<string, Map<string | undefined, string>>()
  #size = 0

  get(query: string, acceptEncoding: string | undefined): string | undefined {
    return this.#byQuery.get(query)?.get(acceptEncoding)
  }

  remember(url: string, acceptEncoding: string | undefined, key: string): void {
    if (url.length + (acceptEncoding?.length ?? 0) > MAX_LENGTH) return
    const start = url.indexOf('?')
    const query = start === -1 ? '' : url.slice(start)
    if (this.get(query, acceptEncoding) !== undefined) return
    if (this.#size === MAX_KNOWN) {
      this.#byQuery.clear()
      this.#size = 0
    }
    this.#size++
    const known = this.#byQuery.get(query)
    if (known === undefined) this.#byQuery.set(query, new Map([[acceptEncoding, key]]))
    else known.set(acceptEncoding, key)
  }
}

/** Keeps a short body, and one that compression does not make smaller, as it is. */
async function compress(encoding: Encoding, bytes: Buffer): Promise<Body> {
  const stored = await precompress(bytes, encoding === 'identity' ? [] : [encoding])
  const compressed = stored[encoding]
  return compressed === undefined ? { encoding: 'identity', bytes } : { encoding, bytes: compressed }
}
