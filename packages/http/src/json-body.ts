import { isUtf8 } from 'node:buffer'
import type { FastifyRequest } from 'fastify'
import { invalid, type ProblemError, problem } from './problems.ts'

/**
 * Levels of objects and arrays. `JSON.parse` takes a million, what walks the value afterwards does not: messages to
 * worker threads fail somewhere from 2,000 on, `JSON.stringify` with indentation from 5,000. Postgres' `jsonb` and
 * canonical JSON took 10,000.
 */
export const MAX_DEPTH = 1000

/**
 * Parses a JSON body strictly: valid UTF-8, no `__proto__`, no U+0000, no lone surrogate, no number beyond
 * a double, at most {@link MAX_DEPTH} levels. `constructor` is a name like others: nothing here merges objects.
 *
 * @throws a 400 that names the field
 */
export function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw problem(400, 'MALFORMED_JSON', 'The body is not valid UTF-8')
  const text = bytes.toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw problem(400, 'MALFORMED_JSON', 'The body is not valid JSON', { cause })
  }
  // Valid UTF-8 has no surrogates and JSON no raw U+0000: what is wrong in a text can only have come by an escape.
  const fault = findFault(value, 0, text.includes('\\u'))
  if (fault)
    throw invalid([
      { field: fault.path.length === 0 ? 'body' : fieldName(fault.path), message: fault.message },
    ])
  return value
}

/** Fastify's parser for `application/json`; an empty body is only accepted where the route takes none. */
export async function jsonBodyParser(request: FastifyRequest, bytes: Buffer): Promise<unknown> {
  const unsupported = unsupportedEncoding(request)
  if (unsupported) throw unsupported
  if (bytes.length > 0) return parseJson(bytes)
  if (request.routeOptions.schema?.body === undefined) return undefined
  throw problem(400, 'EMPTY_BODY', 'The body is empty', { errors: [{ field: 'body', message: 'is empty' }] })
}

/** What is wrong with a text wherever it comes from; undefined when nothing is. */
export function textFault(text: string): string | undefined {
  if (text.includes('\0')) return 'must not contain U+0000'
  if (!text.isWellFormed()) return 'must not contain a lone surrogate'
  return undefined
}

function unsupportedEncoding({ headers }: FastifyRequest): ProblemError | undefined {
  const coding = headers['content-encoding']
  if (coding !== undefined && coding !== 'identity') {
    return problem(415, 'UNSUPPORTED_CONTENT_ENCODING', 'Bodies are taken without content-encoding')
  }
  const charset = /charset\s*=\s*"?([^";\s]+)/i.exec(headers['content-type'] ?? '')?.[1]
  if (charset !== undefined && charset.toLowerCase() !== 'utf-8') {
    return problem(415, 'UNSUPPORTED_MEDIA_TYPE', 'JSON is UTF-8')
  }
  return undefined
}

interface Fault {
  path: (string | number)[]
  message: string
}

const fault = (message: string | undefined): Fault | undefined =>
  message === undefined ? undefined : { path: [], message }

/** Walks the whole value; the path is put together on the way back, when there is a fault. */
function findFault(value: unknown, depth: number, escapes: boolean): Fault | undefined {
  if (typeof value === 'string') return escapes ? fault(textFault(value)) : undefined
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : fault('is too large a number')
  if (typeof value !== 'object' || value === null) return undefined
  if (depth === MAX_DEPTH) return fault(`is nested deeper than ${MAX_DEPTH} levels`)
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const found = findFault(value[index], depth + 1, escapes)
      if (found) return within(index, found)
    }
    return undefined
  }
  const object = value as Record<string, unknown>
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

/** `items.0.name`; long keys and deep paths are cut, a reply must not outgrow its request. */
export function fieldName(path: readonly (string | number)[]): string {
  const shown = path.slice(0, 8).map((part) => String(part).toWellFormed().slice(0, 100))
  return shown.join('.') + (path.length > shown.length ? '.…' : '')
}
