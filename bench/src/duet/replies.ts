import { isDeepStrictEqual } from 'node:util'
import { UnprovenError } from '../errors.ts'
import type { Request } from '../load/request.ts'
import type { RunningProcess } from '../stack/process.ts'

const SAMPLES = 5

type Origin = Pick<RunningProcess, 'name' | 'origin'>

/**
 * Checks that all processes answer the same, before anything is measured: a faster server that answers something else is no
 * comparison.
 *
 * @param sameBytes bodies are compared as bytes instead of as JSON values
 * @throws UnprovenError with the request and what differs
 */
export async function checkSameReplies(
  processes: readonly Origin[],
  requests: readonly Request[],
  sameBytes = false,
): Promise<void> {
  const [ours, ...others] = processes
  if (ours === undefined) return
  const step = Math.max(1, Math.floor(requests.length / SAMPLES))
  for (const request of requests.filter((_, i) => i % step === 0).slice(0, SAMPLES)) {
    const expected = await bodyOf(ours, request)
    for (const other of others) {
      const body = await bodyOf(other, request)
      const difference = sameBytes ? differenceOfBytes(expected, body) : differenceOfJson(expected, body)
      if (difference === undefined) continue
      throw new UnprovenError(`${request.path}: ${other.name} answers other than ${ours.name}: ${difference}`)
    }
  }
}

/**
 * Where two JSON texts differ as values: the order of members, white space and the spelling of numbers do not matter, the
 * order of arrays and the text of strings do.
 *
 * @returns the path of the first difference with both values; undefined when they are equal
 */
export function differenceOfJson(expected: string, actual: string): string | undefined {
  return difference(parse(expected), parse(actual), '$')
}

function difference(expected: unknown, actual: unknown, path: string): string | undefined {
  if (isDeepStrictEqual(expected, actual)) return undefined
  if (isContainer(expected) && isContainer(actual) && Array.isArray(expected) === Array.isArray(actual)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
      const found = difference(expected[key], actual[key], `${path}.${key}`)
      if (found !== undefined) return found
    }
  }
  return `${path} is ${shortened(actual)} instead of ${shortened(expected)}`
}

function differenceOfBytes(expected: string, actual: string): string | undefined {
  return expected === actual ? undefined : `${shortened(actual)} instead of ${shortened(expected)}`
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return `not JSON: ${text.slice(0, 200)}`
  }
}

function shortened(value: unknown): string {
  const text = JSON.stringify(value) ?? 'absent'
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

async function bodyOf({ name, origin }: Origin, { path, headers }: Request): Promise<string> {
  const reply = await fetch(`${origin}${path}`, { ...(headers && { headers: { ...headers } }) })
  const body = await reply.text()
  if (reply.status === 200) return body
  throw new UnprovenError(`${path}: ${name} answers ${reply.status} ${body.slice(0, 300)}`)
}
