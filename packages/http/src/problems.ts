import { type OutgoingHttpHeaders, STATUS_CODES } from 'node:http'
import { AppError, type FieldError } from '@reference/errors'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import { keepConnection } from './kept-connection.ts'

/** The body of every error reply (RFC 9457). */
export interface Problem {
  type: string
  title: string
  status: number
  detail: string
  instance?: string
  code: string
  requestId: string
  errors?: readonly FieldError[]
}

export const PROBLEM_TYPE = 'application/problem+json'

/** A body with a thousand faults is answered with the first twenty: a reply must not outgrow its request. */
export const MAX_FIELD_ERRORS = 20

/** Our stable codes for Fastify's errors; a release of the framework may change its own. */
const FRAMEWORK_CODES: Record<string, string> = {
  FST_ERR_VALIDATION: 'VALIDATION',
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'INVALID_CONTENT_LENGTH',
  FST_ERR_BAD_URL: 'MALFORMED_URL',
  FST_ERR_MAX_PARAM_LENGTH: 'URL_TOO_LONG',
  FST_ERR_HANDLER_TIMEOUT: 'TIMEOUT',
}

/**
 * A 400 that names each field.
 *
 * @param errors in the order of their fields; the first {@link MAX_FIELD_ERRORS} reach the client
 */
export function invalid(errors: readonly FieldError[]): AppError {
  const [first] = errors
  const detail = first ? `${first.field} ${first.message}` : 'The request is not valid'
  return new AppError('VALIDATION', 400, detail, { errors: errors.slice(0, MAX_FIELD_ERRORS) })
}

/** The properties of a thrown object that decide its reply: of an `AppError`, or of an error of Fastify or a library. */
type Thrown = Partial<Omit<AppError, 'errors'>> & { errors?: unknown; field?: unknown }

/** Turns anything that was thrown into the status, headers and body of the reply. No other place does this. */
export function toProblem(
  thrown: unknown,
  requestId: string,
  url: string | undefined,
): { body: Problem; retryAfterSeconds: number | undefined } {
  const object = typeof thrown === 'object' && thrown !== null ? thrown : {}
  const error = (lacksDescriptors(object) ? outOfFiles() : object) as Thrown
  const named = typeof error.statusCode === 'number' && error.statusCode >= 400 && error.statusCode <= 599
  const status = named ? Number(error.statusCode) : 500
  const title = STATUS_CODES[status] ?? 'Error'
  const exposed = status < 500 || error.expose === true
  const errors = exposed ? fieldsOf(error) : undefined
  const body: Problem = {
    type: 'about:blank',
    title,
    status,
    detail: exposed && error.message ? error.message : generalDetail(status),
    ...(url !== undefined && { instance: pathOf(url) }),
    code: codeOf(error, named, title),
    requestId,
    ...(errors && { errors }),
  }
  const { retryAfterSeconds } = error
  return { body, retryAfterSeconds: typeof retryAfterSeconds === 'number' ? retryAfterSeconds : undefined }
}

/** The process or the machine cannot open another file or connection: another replica can answer, or this one soon. */
function lacksDescriptors(error: { code?: unknown; statusCode?: unknown }): boolean {
  return error.statusCode === undefined && (error.code === 'EMFILE' || error.code === 'ENFILE')
}

const outOfFiles = () =>
  new AppError('OUT_OF_FILES', 503, 'The service can open no further connection', {
    retryAfterSeconds: 1,
    expose: true,
  })

/** Replies to a thrown error. A 5xx is logged here, once, with the details that the client does not get. */
export function sendProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const { body, retryAfterSeconds } = toProblem(thrown, request.id, request.raw.url)
  if (body.status >= 500) logFailure(request.log, thrown, body, request)
  keepConnection(request, reply)
  reply.code(body.status).header('content-type', PROBLEM_TYPE).header('x-request-id', request.id)
  reply.header('cache-control', 'no-store')
  if (retryAfterSeconds !== undefined) reply.header('retry-after', String(Math.ceil(retryAfterSeconds)))
  if (body.status === 401 || body.status === 403) challenge(reply, body)
  // A buffer: Fastify adds a charset to text, and this media type has none.
  reply.send(Buffer.from(JSON.stringify(body)))
}

/**
 * {@link sendProblem} for a request that is refused in its first hook, past Fastify's reply: no hook of a reply runs, and head and body
 * are one write. Under overload most replies are refusals, and what they cost is missing for the others.
 */
export function sendRefusal(error: AppError, request: FastifyRequest, reply: FastifyReply): void {
  const { body, retryAfterSeconds = 1 } = toProblem(error, request.id, request.raw.url)
  logFailure(request.log, error, body, request)
  keepConnection(request, reply)
  const text = JSON.stringify(body)
  reply.hijack()
  reply.raw.writeHead(body.status, {
    ...(reply.getHeaders() as OutgoingHttpHeaders),
    'content-type': PROBLEM_TYPE,
    'cache-control': 'no-store',
    'retry-after': String(retryAfterSeconds),
    'content-length': Buffer.byteLength(text),
  })
  reply.raw.end(text)
}

/** The part of a URL before its query; a query may contain secrets, which must be neither repeated nor logged. */
export function pathOf(url: string): string {
  const end = url.indexOf('?')
  const path = end === -1 ? url : url.slice(0, end)
  return path.length > 256 ? `${path.slice(0, 256)}…` : path
}

function codeOf(error: Thrown, named: boolean, title: string): string {
  if (!named) return 'INTERNAL_ERROR'
  if (typeof error.code !== 'string') return codeOfTitle(title)
  return FRAMEWORK_CODES[error.code] ?? (FRAMEWORK.test(error.code) ? codeOfTitle(title) : error.code)
}

/** Codes of Fastify, its plugins and Node. They are no part of the interface, and change with a release. */
const FRAMEWORK = /^(?:FST|ERR|HPE|UND)_/

const codeOfTitle = (title: string): string => title.toUpperCase().replaceAll(/[^A-Z]+/g, '_')

function generalDetail(status: number): string {
  return status === 503 ? 'The service cannot answer at the moment' : 'Something failed in the service'
}

function fieldsOf(error: Thrown): readonly FieldError[] | undefined {
  if (Array.isArray(error.errors) && error.errors.length > 0) return error.errors.slice(0, MAX_FIELD_ERRORS)
  if (typeof error.field === 'string')
    return [{ field: error.field, message: error.message ?? 'is not valid' }]
  return undefined
}

/** A 503 with `retry-after` is shed load, logged without stack and folded; any other 5xx is a fault. */
function logFailure(log: FastifyBaseLogger, thrown: unknown, body: Problem, request: FastifyRequest): void {
  const where = { method: request.method, path: body.instance, status: body.status, code: body.code }
  const expected =
    body.status === 503 && (thrown as Partial<Thrown> | undefined)?.retryAfterSeconds !== undefined
  if (expected) {
    const reason = () => ({ ...where, reason: reasonOf(thrown as Error) })
    request.server.refusals.refused(log, body.code, reason)
  } else log.error({ ...where, err: thrown }, 'request failed')
}

/** Includes the cause, which says why a system cannot be reached. */
function reasonOf({ message, cause }: Error): string {
  return cause instanceof Error && cause.message !== '' ? `${message}: ${cause.message}` : message
}

function challenge(reply: FastifyReply, body: Problem): void {
  if (body.code === 'TOKEN_MISSING') reply.header('www-authenticate', 'Bearer')
  if (body.code === 'TOKEN_INVALID') reply.header('www-authenticate', 'Bearer error="invalid_token"')
  if (body.code === 'SCOPE_MISSING') reply.header('www-authenticate', 'Bearer error="insufficient_scope"')
}
