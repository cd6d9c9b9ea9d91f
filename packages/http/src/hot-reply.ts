/** The variable parts of a request for a hot route. It is valid only during the call: the next request overwrites it. */
export interface HotRequest {
  /** The URL after the fixed part of the route, not decoded: the parameter of `/users/:id`, the query of `/orders` with its `?`. */
  readonly rest: string
  readonly acceptEncoding: string | undefined
  /** A longer body must be left to Fastify, which compresses it. */
  readonly maxBytes: number
}

export interface HotReply {
  /** From {@link hotHead}. */
  readonly head: HotHead
  /** The bytes of the body as a latin1 string. */
  readonly body: string
}

/**
 * The reply of a hot route, status 200, when it is ready without waiting; undefined leaves the request to the handler. It must be
 * the reply of the handler to the byte, and undefined must leave no trace, such as a counted hit: the handler runs afterwards.
 */
export type HotRoute = (request: HotRequest) => HotReply | undefined

/** The names and values of a head, alternating. The id and the length are filled in for each reply, in a copy with the headers of every reply. */
export type HotHead = string[]

/** A row of a cache. */
export interface CachedReply {
  /** The JSON of the row; undefined when the row does not exist. */
  readonly bytes: Buffer | undefined
  /** The source, for `x-cache`. */
  readonly from: string
}

/**
 * The rest of a hot route whose reply is not ready: the row is read, and its reply is written as that of a hot route. Fastify gets the
 * request when the row does not exist, cannot be read, or needs another reply than the plain one.
 */
export interface HotRead<Key = unknown> {
  /** The key in the rest of the URL; undefined leaves the request to the handler. */
  keyOf(rest: string): Key | undefined
  get(key: Key): Promise<CachedReply>
  /** The head of a reply from this source. */
  headOf(from: string): HotHead
}

/** @param headers in the order in which the handler sets them, without the headers of every reply and `content-length` */
export function hotHead(headers: Readonly<Record<string, string>>): HotHead {
  return ['x-request-id', '', ...Object.entries(headers).flat(), 'content-length', '']
}
