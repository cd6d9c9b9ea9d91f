import { AppError } from '@reference/errors'

/** A Redis that answers and refuses a command of the cache. */
class NodeRefusesError extends AppError<'CACHE_NODE_REFUSES'> {
  /** For `/ready`: without names of hosts, users or keys. */
  readonly publicReason: string

  constructor(node: string, publicReason: string) {
    super('CACHE_NODE_REFUSES', 503, `Redis ${node} is not in use: ${publicReason}`, { retryAfterSeconds: 1 })
    this.publicReason = publicReason
  }
}

const unavailable = (code: string, message: string, cause?: unknown) =>
  new AppError(code, 503, message, { retryAfterSeconds: 1, cause })

export const invalidOption = (message: string) => new AppError('CACHE_OPTION_INVALID', 500, message)

export const invalidKey = (message: string) => new AppError('CACHE_KEY_INVALID', 500, message)

export const loadTimeout = (namespace: string, limitMs: number) =>
  unavailable('CACHE_LOAD_TIMEOUT', `the loader of "${namespace}" took longer than ${limitMs} ms`)

export const undelivered = (keys: readonly string[], cause?: unknown) =>
  unavailable(
    'CACHE_INVALIDATION_UNDELIVERED',
    `${keys.length} keys could not be invalidated: ${sample(keys)}`,
    cause,
  )

/** Redis did not answer within the limit of a call. No caller of the cache gets it: the reader goes to its loader. */
export const callTimeout = (node: string, limitMs: number) =>
  unavailable('CACHE_CALL_TIMEOUT', `Redis ${node} did not answer within ${limitMs} ms`)

/** Redis answers, and the cache may not be read yet. */
export const notAdmitted = (reason: string) =>
  unavailable('CACHE_NOT_ADMITTED', `The cache is not in use: ${reason}`)

export const nodeRefuses = (node: string, publicReason: string) => new NodeRefusesError(node, publicReason)

export const nodeUnavailable = (node: string, cause?: unknown) =>
  unavailable('CACHE_NODE_UNAVAILABLE', `Redis ${node} is not in use at the moment`, cause)

/** Redis answers with one of these when a slot lies on another node, or is being moved. */
export function redirectOf(error: unknown): { kind: 'MOVED' | 'ASK' | 'TRYAGAIN'; node: string } | undefined {
  if (!(error instanceof Error)) return undefined
  const [kind, , node = ''] = error.message.split(' ')
  return kind === 'MOVED' || kind === 'ASK' || kind === 'TRYAGAIN' ? { kind, node } : undefined
}

/** The key holds another type than a string: another application has written it. */
export const isWrongType = (error: unknown): boolean =>
  error instanceof Error && error.message.startsWith('WRONGTYPE')

const sample = (keys: readonly string[]) => keys.slice(0, 3).join(', ') + (keys.length > 3 ? ', …' : '')
