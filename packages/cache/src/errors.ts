/** Every error of this package carries a stable `code`; those that may reach HTTP carry a `statusCode` too. */
export class CacheError extends Error {
  readonly code: string
  readonly statusCode: number
  readonly retryAfterSeconds?: number
  /** In plain words, for `/ready`: no names of hosts, users or keys. */
  readonly publicReason?: string

  constructor(
    code: string,
    message: string,
    options: { statusCode?: number; cause?: unknown; publicReason?: string } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'CacheError'
    this.code = code
    this.statusCode = options.statusCode ?? 500
    if (this.statusCode === 503) this.retryAfterSeconds = 1
    if (options.publicReason !== undefined) this.publicReason = options.publicReason
  }
}

export const invalidOption = (message: string): CacheError => new CacheError('CACHE_OPTION_INVALID', message)

export const invalidKey = (message: string): CacheError => new CacheError('CACHE_KEY_INVALID', message)

export const loadTimeout = (namespace: string, limitMs: number): CacheError =>
  new CacheError('CACHE_LOAD_TIMEOUT', `the loader of "${namespace}" took longer than ${limitMs} ms`, {
    statusCode: 503,
  })

export const undelivered = (keys: readonly string[], cause?: unknown): CacheError =>
  new CacheError(
    'CACHE_INVALIDATION_UNDELIVERED',
    `${keys.length} keys could not be invalidated: ${sample(keys)}`,
    {
      statusCode: 503,
      cause,
    },
  )

/** Redis did not answer within the limit of a call. Stays inside of this package: the reader goes to its loader. */
export const callTimeout = (node: string, limitMs: number): CacheError =>
  new CacheError('CACHE_CALL_TIMEOUT', `Redis ${node} did not answer within ${limitMs} ms`, {
    statusCode: 503,
  })

/** The cache answers, and may not be read yet. */
export const notAdmitted = (reason: string): CacheError =>
  new CacheError('CACHE_NOT_ADMITTED', `The cache is not in use: ${reason}`, { statusCode: 503 })

/** Redis answers, and refuses what the cache needs. */
export const nodeRefuses = (node: string, publicReason: string): CacheError =>
  new CacheError('CACHE_NODE_REFUSES', `Redis ${node} is not in use: ${publicReason}`, {
    statusCode: 503,
    publicReason,
  })

export const nodeUnavailable = (node: string): CacheError =>
  new CacheError('CACHE_NODE_UNAVAILABLE', `Redis ${node} is not in use at the moment`, { statusCode: 503 })

/** Redis answers with one of these when a slot lies elsewhere, or is on its way. */
export function redirectOf(error: unknown): { kind: 'MOVED' | 'ASK' | 'TRYAGAIN'; node: string } | undefined {
  if (!(error instanceof Error)) return undefined
  const [kind, , node = ''] = error.message.split(' ')
  return kind === 'MOVED' || kind === 'ASK' || kind === 'TRYAGAIN' ? { kind, node } : undefined
}

/** A key that holds another type than a string: somebody else's. */
export const isWrongType = (error: unknown): boolean =>
  error instanceof Error && error.message.startsWith('WRONGTYPE')

const sample = (keys: readonly string[]) => keys.slice(0, 3).join(', ') + (keys.length > 3 ? ', …' : '')
