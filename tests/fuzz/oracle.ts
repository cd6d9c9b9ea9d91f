import { isDeepStrictEqual } from 'node:util'
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'
import { type Api, type Operation, PROBLEM, type Schema } from './openapi.ts'
import { type Asked, failureFaults } from './refusals.ts'
import { headerOf, type Reply } from './replies.ts'

/** A 5xx: one that is no fault (`failureFaults`) refuses the call for now. A campaign counts refusals, which must be few. */
export const isRefusal = ({ status }: Reply): boolean => status >= 500

/**
 * Statuses that any operation may answer, by what HTTP or the server itself found wrong; the document has them as `default`. Every
 * other status has to be named by its operation.
 */
const COMMON_STATUSES = [400, 401, 403, 408, 413, 415, 417, 429, 431]

/** Headers of a reply that a status must have. */
const REQUIRED_HEADERS: Readonly<Record<number, string>> = {
  201: 'location',
  202: 'location',
  401: 'www-authenticate',
  405: 'allow',
  429: 'retry-after',
}

/** Text of a stack, of a file of ours, or of a framework's error in a reply. */
const INTERNALS = /\n\s+at |node_modules|file:\/\/\/|\.ts:\d|\bFST_ERR|\bERR_[A-Z]+_|PostgresError|"stack"/

/** The faults of a reply to one request; empty for a correct one. */
export function faultsOf(reply: Reply, { operation, method }: Asked, api: Api): string[] {
  const { status } = reply
  const faults = headerFaults(reply, method)
  if (isRefusal(reply)) {
    const failures = failureFaults(
      reply,
      { operation, method, text: method === 'HEAD' ? '' : textOf(reply) },
      api,
    )
    if (failures.length > 0) return [...failures, ...faults]
  }
  if (method === 'HEAD' || status === 204) return faults
  const body = decoded(reply)
  if (typeof body === 'string') return [...faults, body]
  if (status >= 400 && !isReadiness(reply, operation)) faults.push(...problemFaults(reply, body, api))
  else
    faults.push(
      ...(INTERNALS.test(body.toString('latin1')) && operation !== undefined
        ? ['the body has internals']
        : []),
    )
  if (operation !== undefined) faults.push(...documentFaults(reply, body, { operation, method }, api))
  return faults
}

/** `/ready` has the same body with each status. */
const isReadiness = (reply: Reply, operation: Operation | undefined) =>
  operation?.path === '/ready' && reply.status === 503

function headerFaults(reply: Reply, method: string): string[] {
  const faults: string[] = []
  const required = REQUIRED_HEADERS[reply.status]
  // A row that PUT creates has the URL of the request.
  const implied = method === 'PUT' && required === 'location'
  if (required !== undefined && !implied && headerOf(reply, required) === undefined)
    faults.push(`a ${reply.status} without ${required}`)
  if (!/^[A-Za-z0-9._-]{1,128}$/.test(headerOf(reply, 'x-request-id') ?? '')) faults.push('no x-request-id')
  if (reply.status >= 400 && headerOf(reply, 'cache-control') !== 'no-store')
    faults.push('a problem without no-store')
  return faults
}

/** A problem by RFC 9457 that is about this reply and shows nothing of the inside. */
function problemFaults(reply: Reply, body: Buffer, api: Api): string[] {
  const type = headerOf(reply, 'content-type')
  if (type !== PROBLEM) return [`a ${reply.status} with the type ${type}`]
  const text = body.toString('utf8')
  const value = parsed(text) as { status?: unknown; requestId?: unknown } | undefined
  if (value === undefined) return ['a problem that is not JSON']
  const faults = INTERNALS.test(text) ? [`the problem has internals: ${text.slice(0, 500)}`] : []
  if (value.status !== reply.status) faults.push(`a problem of status ${value.status} in a ${reply.status}`)
  if (value.requestId !== headerOf(reply, 'x-request-id')) faults.push('the request id of another request')
  if (!text.isWellFormed()) faults.push('a problem with a lone surrogate')
  const schema = problemSchema(api)
  if (schema !== undefined) faults.push(...api.faults(schema, value).map((fault) => `the problem: ${fault}`))
  return faults
}

function problemSchema(api: Api): Schema | undefined {
  for (const { responses } of api.operations) {
    const schema = responses.default?.content?.[PROBLEM]?.schema
    if (schema !== undefined) return schema
  }
  return undefined
}

/** Whether the document names this status, media type and body. */
function documentFaults(
  reply: Reply,
  body: Buffer,
  { operation, method }: Asked & { operation: Operation },
  api: Api,
): string[] {
  const { status } = reply
  // Another method of the path, or another path: the spelling of a parameter may lead to either.
  if (method !== operation.method || status === 404 || status === 405) return []
  const response = operation.responses[status]
  if (response === undefined && isRefusal(reply)) return []
  if (response === undefined)
    return COMMON_STATUSES.includes(status) ? [] : [`the document does not name ${status}`]
  const type = headerOf(reply, 'content-type') ?? ''
  const documented = Object.entries(response.content ?? {})
  const content = documented.find(([name]) => type.split(';', 1)[0] === name)
  if (content === undefined) {
    return documented.length === 0 && body.length === 0 ? [] : [`the document has no ${type} for ${status}`]
  }
  const schema = content[1].schema
  if (schema === undefined || !type.includes('json')) return []
  const value = parsed(body.toString('utf8'))
  if (value === undefined) return [`a ${status} that is not JSON`]
  return api.faults(schema, value).map((fault) => `the ${status} breaks its schema: ${fault}`)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const DECODERS: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: gunzipSync,
  br: brotliDecompressSync,
  deflate: inflateSync,
  zstd: zstdDecompressSync,
}

/** The body without its content coding, or the fault of the coding. */
function decoded(reply: Reply): Buffer | string {
  const coding = headerOf(reply, 'content-encoding')
  if (coding === undefined) return reply.body
  const decode = DECODERS[coding]
  if (decode === undefined) return `an unknown content-encoding ${coding}`
  try {
    return decode(reply.body)
  } catch {
    return `a body that is not ${coding}`
  }
}

export function textOf(reply: Reply): string {
  const body = decoded(reply)
  return typeof body === 'string' ? body : body.toString('utf8')
}

/**
 * Headers that may differ between two equal answers: time, identity, the tier that answered, and the framing, since a problem
 * is as long as its request id, and a stored reply has a length where one that is compressed on the way has chunks.
 */
const VARYING: readonly string[] = [
  ...['date', 'x-request-id', 'x-cache', 'age', 'x-ratelimit-remaining', 'x-ratelimit-reset', 'retry-after'],
  ...['content-length', 'transfer-encoding'],
]

/** Operations whose answer is a measurement, or the state of work in progress: only the status counts. */
const MEASUREMENTS = ['/ready', '/services', '/metrics', '/jobs/{id}']

/** Whether two replies to the same safe request are the same answer. */
export function isSameAnswer(one: Reply, other: Reply, { operation }: Asked): boolean {
  if (one.status !== other.status) return false
  if (operation !== undefined && MEASUREMENTS.includes(operation.path)) return true
  return (
    isDeepStrictEqual(comparableHeaders(one), comparableHeaders(other)) &&
    comparableBody(one) === comparableBody(other)
  )
}

function comparableHeaders(reply: Reply): [string, readonly string[]][] {
  return [...reply.headers].filter(([name]) => !VARYING.includes(name)).sort()
}

function comparableBody(reply: Reply): string {
  const id = headerOf(reply, 'x-request-id')
  const text = textOf(reply)
  return id === undefined ? text : text.replaceAll(id, '…')
}
