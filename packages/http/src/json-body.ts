import { isUtf8 } from 'node:buffer'
import { AppError } from '@reference/errors'
import type { FastifyRequest } from 'fastify'
import type { BodyBudget } from './body-budget.ts'
import { invalid } from './problems.ts'

/**
 * Levels of objects and arrays. `JSON.parse` accepts a million; code that walks the value afterwards does not: messages
 * to worker threads fail from about 2,000 levels, `JSON.stringify` with indentation from 5,000. Postgres' `jsonb` and
 * canonical JSON accepted 10,000.
 */
export const MAX_DEPTH = 1000

/**
 * Parses a JSON body strictly: valid UTF-8, no `__proto__`, no U+0000, no lone surrogate, no number beyond a double, at
 * most {@link MAX_DEPTH} levels. `constructor` is an ordinary name, because no code here merges objects.
 *
 * @throws `VALIDATION` (400), which names the field, or `MALFORMED_JSON` (400)
 */
export function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new AppError('MALFORMED_JSON', 400, 'The body is not valid UTF-8')
  const text = bytes.toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new AppError('MALFORMED_JSON', 400, 'The body is not valid JSON', { cause })
  }
  // Valid UTF-8 has no surrogates, and JSON no raw U+0000: only an escape can have put either into a string.
  const fault = findFault(value, 0, text.includes('\\u'))
  if (fault === undefined) return value
  const field = fault.path.length === 0 ? 'body' : fieldName(fault.path)
  throw invalid([{ field, message: fault.message }])
}

/** Makes Fastify's parser for `application/json`. An empty body is accepted only on a route without a body schema. */
export function createJsonBodyParser(budget: BodyBudget) {
  return async (request: FastifyRequest, bytes: Buffer): Promise<unknown> => {
    const unsupported = unsupportedEncoding(request)
    if (unsupported) throw unsupported
    if (bytes.length > 0) {
      budget.weigh(request, bytes)
      return parseJson(bytes)
    }
    if (request.routeOptions.schema?.body === undefined) return undefined
    throw new AppError('EMPTY_BODY', 400, 'The body is empty', {
      errors: [{ field: 'body', message: 'is empty' }],
    })
  }
}

/** The fault of a text from any part of a request; undefined for a valid text. */
export function textFault(text: string): string | undefined {
  if (text.includes('\0')) return 'must not contain U+0000'
  if (!text.isWellFormed()) return 'must not contain a lone surrogate'
  return undefined
}

function unsupportedEncoding({ headers }: FastifyRequest): AppError | undefined {
  const coding = headers['content-encoding']
  if (coding !== undefined && coding !== 'identity') {
    return new AppError('UNSUPPORTED_CONTENT_ENCODING', 415, 'Bodies are taken without content-encoding')
  }
  const charset = /charset\s*=\s*"?([^";\s]+)/i.exec(headers['content-type'] ?? '')?.[1]
  if (charset !== undefined && charset.toLowerCase() !== 'utf-8') {
    return new AppError('UNSUPPORTED_MEDIA_TYPE', 415, 'JSON is UTF-8')
  }
  return undefined
}

interface Fault {
  path: (string | number)[]
  message: string
}

const fault = (message: string | undefined): Fault | undefined =>
  message === undefined ? undefined : { path: [], message }

/** Walks the whole value. The path of a fault is built on the way back, so that a valid value costs no path. */
function findFault(value: unknown, depth: number, escapes: boolean): Fault | undefined {
  if (typeof value === 'string') return escapes ? fault(textFault(value)) : undefined
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : fault('is too large a number')
  if (typeof value !== 'object' || value === null) return undefined
  if (depth === MAX_DEPTH) return fault(`is nested deeper than ${MAX_DEPTH} levels`)
  return Array.isArray(value)
    ? findInArray(value, depth, escapes)
    : findInObject(value as Record<string, unknown>, depth, escapes)
}

function findInArray(array: readonly unknown[], depth: number, escapes: boolean): Fault | undefined {
  for (let index = 0; index < array.length; index++) {
    const found = findFault(array[index], depth + 1, escapes)
    if (found) return within(index, found)
  }
  return undefined
}

function findInObject(object: Record<string, unknown>, depth: number, escapes: boolean): Fault | undefined {
  for (const key in object) {
    const found = fault(keyFault(key, escapes)) ?? findFault(object[key], depth + 1, escapes)
    if (found) return within(key, found)
  }
  return undefined
}

function within(part: string | number, { path, message }: Fault): Fault {
  return { path: [part, ...path], message }
}

function keyFault(key: string, escapes: boolean): string | undefined {
  if (key === '__proto__') return 'is not a known field'
  return escapes ? textFault(key) : undefined
}

/** A path such as `items.0.name`. Long keys and deep paths are cut, because a reply must not outgrow its request. */
export function fieldName(path: readonly (string | number)[]): string {
  const shown = path.slice(0, 8).map((part) => String(part).toWellFormed().slice(0, 100))
  return shown.join('.') + (path.length > shown.length ? '.…' : '')
}
