import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'

/** One fault of the input: which field, and what is wrong with it. */
export interface FieldError {
  field: string
  message: string
}

/** The body of every error answer (RFC 9457). */
export interface Problem {
  type: string
  title: string
  status: number
  detail: string
  instance?: string
  code: string
  requestId: string
  errors?: FieldError[]
}

/** An error that says how it is to be answered. */
export interface ProblemError extends Error {
  statusCode: number
  code: string
  /** The message is meant for the caller even when the status is 5xx. */
  expose: boolean
  errors?: FieldError[]
  retryAfterSeconds?: number
}

export interface ProblemOptions {
  errors?: FieldError[]
  /** Seconds for the `retry-after` header. */
  retryAfterSeconds?: number
  cause?: unknown
}

export const PROBLEM_TYPE = 'application/problem+json'

/** A body of a thousand faults answers with the first twenty: a reply must not outgrow its request. */
export const MAX_FIELD_ERRORS = 20

/** What Fastify's own errors are called from outside; these names stay when the framework's change. */
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
 * Makes an error that is answered as a problem.
 *
 * @param statusCode 400–599
 * @param code a stable name for programs, such as `EMAIL_TAKEN`
 * @param detail a sentence for people; it reaches the caller, also with a 5xx
 */
export function problem(
  statusCode: number,
  code: string,
  detail: string,
  options: ProblemOptions = {},
): ProblemError {
  const { errors, retryAfterSeconds, cause } = options
  const error = new Error(detail, cause === undefined ? undefined : { cause })
  return Object.assign(error, {
    statusCode,
    code,
    expose: true,
    ...(errors && { errors }),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  })
}

/** A 400 that names each field. */
export function invalid(errors: FieldError[]): ProblemError {
  const first = errors[0]
  const detail = first ? `${first.field} ${first.message}` : 'The request is not valid'
  return problem(400, 'VALIDATION', detail, { errors: errors.slice(0, MAX_FIELD_ERRORS) })
}

/** Turns whatever was thrown into the answer's status, headers and body. The only place that does. */
export function toProblem(
  thrown: unknown,
  requestId: string,
  url: string | undefined,
): { body: Problem; retryAfterSeconds: number | undefined } {
  const object = typeof thrown === 'object' && thrown !== null ? thrown : {}
  const error = (lacksDescriptors(object) ? outOfFiles() : object) as Partial<ProblemError> & {
    field?: unknown
  }
  const named = typeof error.statusCode === 'number' && error.statusCode >= 400 && error.statusCode <= 599
  const status = named ? Number(error.statusCode) : 500
  const title = STATUS_CODES[status] ?? 'Error'
  const told = status < 500 || error.expose === true
  const errors = told ? fieldsOf(error) : undefined
  const body: Problem = {
    type: 'about:blank',
    title,
    status,
    detail: told && error.message ? error.message : generalDetail(status),
    ...(url !== undefined && { instance: pathOf(url) }),
    code: codeOf(error, named, title),
    requestId,
    ...(errors && { errors }),
  }
  const { retryAfterSeconds } = error
  return { body, retryAfterSeconds: typeof retryAfterSeconds === 'number' ? retryAfterSeconds : undefined }
}

/** The process, or the machine, may open no further file or connection: another replica can answer, or this one soon. */
function lacksDescriptors(error: { code?: unknown; statusCode?: unknown }): boolean {
  return error.statusCode === undefined && (error.code === 'EMFILE' || error.code === 'ENFILE')
}

const outOfFiles = () =>
  problem(503, 'OUT_OF_FILES', 'The service can open no further connection', { retryAfterSeconds: 1 })

/** Answers a thrown error; a 5xx is logged here, once, with what the caller does not see. */
export function sendProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const { body, retryAfterSeconds } = toProblem(thrown, request.id, request.raw.url)
  if (body.status >= 500) logFailure(request.log, thrown, body, request)
  keepConnection(request.raw, reply)
  reply.code(body.status).header('content-type', PROBLEM_TYPE).header('x-request-id', request.id)
  reply.header('cache-control', 'no-store')
  if (retryAfterSeconds !== undefined) reply.header('retry-after', String(Math.ceil(retryAfterSeconds)))
  if (body.status === 401 || body.status === 403) challenge(reply, body)
  // A buffer: Fastify adds a charset to text, which this media type has not.
  reply.send(Buffer.from(JSON.stringify(body)))
}

/** The part of a URL before its query; a query may hold what must not be repeated or logged. */
export function pathOf(url: string): string {
  const end = url.indexOf('?')
  const path = end === -1 ? url : url.slice(0, end)
  return path.length > 256 ? `${path.slice(0, 256)}…` : path
}

function codeOf(error: Partial<ProblemError>, named: boolean, title: string): string {
  if (!named) return 'INTERNAL_ERROR'
  if (typeof error.code !== 'string') return title.toUpperCase().replaceAll(/[^A-Z]+/g, '_')
  return FRAMEWORK_CODES[error.code] ?? error.code.replace(/^FST_ERR_(CTP_)?/, '')
}

function generalDetail(status: number): string {
  return status === 503 ? 'The service cannot answer at the moment' : 'Something failed in the service'
}

function fieldsOf(error: { errors?: unknown; field?: unknown; message?: string }): FieldError[] | undefined {
  if (Array.isArray(error.errors) && error.errors.length > 0) return error.errors.slice(0, MAX_FIELD_ERRORS)
  if (typeof error.field === 'string')
    return [{ field: error.field, message: error.message ?? 'is not valid' }]
  return undefined
}

/** A 503 with `retry-after` is load being shed, told in a line without stack; anything else is a fault. */
function logFailure(log: FastifyBaseLogger, thrown: unknown, body: Problem, request: FastifyRequest): void {
  const where = { method: request.method, path: body.instance, status: body.status, code: body.code }
  const expected = body.status === 503 && (thrown as Partial<ProblemError>)?.retryAfterSeconds !== undefined
  if (expected) log.warn({ ...where, reason: reasonOf(thrown as Error) }, 'request refused')
  else log.error({ ...where, err: thrown }, 'request failed')
}

/** With its cause, which says what is wrong with a system that cannot be reached. */
function reasonOf({ message, cause }: Error): string {
  return cause instanceof Error && cause.message !== '' ? `${message}: ${cause.message}` : message
}

function challenge(reply: FastifyReply, body: Problem): void {
  if (body.code === 'TOKEN_MISSING') reply.header('www-authenticate', 'Bearer')
  if (body.code === 'TOKEN_INVALID') reply.header('www-authenticate', 'Bearer error="invalid_token"')
  if (body.code === 'SCOPE_MISSING') reply.header('www-authenticate', 'Bearer error="insufficient_scope"')
}

/** The rest of an oversized body up to here is read and thrown away, for the answer to arrive. */
const MAX_DISCARDED_BYTES = 16 * 1024 * 1024

/**
 * Fastify closes the connection after any fault of a body. That is only needed when the rest of the body is not worth
 * reading; and closing under a client that still sends makes the kernel answer with a reset, which overtakes
 * the answer. A rest of known, bearable length is discarded instead.
 */
function keepConnection(raw: IncomingMessage, reply: FastifyReply): void {
  if (reply.server.lifecycle.lastReplies) return
  if (raw.complete) reply.removeHeader('connection')
  else if (Number(raw.headers['content-length']) <= MAX_DISCARDED_BYTES) {
    reply.removeHeader('connection')
    raw.resume()
  }
}
