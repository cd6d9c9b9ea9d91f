import { isUtf8 } from 'node:buffer'
import type { FastifyRequest } from 'fastify'
import { invalid, type ProblemError, problem } from './problems.ts'

/** Levels of objects and arrays. `JSON.parse` takes a million, what walks the value afterwards would not. */
export const MAX_DEPTH = 64

/**
 * Parses a JSON body strictly: valid UTF-8, no `__proto__` or `constructor.prototype`, no U+0000, no lone surrogate,
 * no number beyond a double, at most {@link MAX_DEPTH} levels.
 *
 * @throws a 400 that names the field
 */
export function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw problem(400, 'MALFORMED_JSON', 'The body is not valid UTF-8')
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw problem(400, 'MALFORMED_JSON', 'The body is not valid JSON', { cause })
  }
  const fault = findFault(value)
  if (fault) throw fault
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

/** Walks the whole value; the path is only put together when there is a fault. */
function findFault(root: unknown): ProblemError | undefined {
  const path: (string | number)[] = []
  const message = walk(root, path, 0)
  if (message === undefined) return undefined
  return invalid([{ field: path.length === 0 ? 'body' : fieldName(path), message }])
}

function walk(value: unknown, path: (string | number)[], depth: number): string | undefined {
  if (typeof value === 'string') return textFault(value)
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'is too large a number'
  if (typeof value !== 'object' || value === null) return undefined
  if (depth === MAX_DEPTH) return `is nested deeper than ${MAX_DEPTH} levels`
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      path.push(index)
      const message = walk(value[index], path, depth + 1)
      if (message !== undefined) return message
      path.pop()
    }
    return undefined
  }
  for (const [key, item] of Object.entries(value)) {
    path.push(key)
    const message = keyFault(key, item) ?? walk(item, path, depth + 1)
    if (message !== undefined) return message
    path.pop()
  }
  return undefined
}

function keyFault(key: string, item: unknown): string | undefined {
  if (key === '__proto__') return 'is not a known field'
  if (
    key === 'constructor' &&
    typeof item === 'object' &&
    item !== null &&
    Object.hasOwn(item, 'prototype')
  ) {
    return 'is not a known field'
  }
  return textFault(key)
}

/** `items.0.name`; long keys and deep paths are cut, a reply must not outgrow its request. */
export function fieldName(path: readonly (string | number)[]): string {
  const shown = path.slice(0, 8).map((part) => String(part).toWellFormed().slice(0, 100))
  return shown.join('.') + (path.length > shown.length ? '.…' : '')
}
