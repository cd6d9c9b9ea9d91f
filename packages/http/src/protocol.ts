import type { IncomingMessage } from 'node:http'
import { type ProblemError, problem } from './problems.ts'

/** The only expectation there is (RFC 9110, 10.1.1); Node answers it by itself before the request is seen. */
const CONTINUE = /(?:^|\W)100-continue(?:\W|$)/i

/**
 * What HTTP itself refuses in a request that could be parsed; undefined when nothing.
 * Node would answer these itself, without a body: its checks are turned off and this stands in their place.
 */
export function protocolFault(raw: IncomingMessage): ProblemError | undefined {
  const hosts = countHosts(raw.rawHeaders)
  if (hosts > 1) return problem(400, 'HOST_REPEATED', 'The request has more than one Host header')
  if (hosts === 0 && raw.httpVersion === '1.1') {
    return problem(400, 'HOST_MISSING', 'A request of HTTP/1.1 needs a Host header')
  }
  const { expect } = raw.headers
  if (expect !== undefined && !CONTINUE.test(expect)) {
    return problem(417, 'EXPECTATION_FAILED', 'The only expectation met is 100-continue')
  }
  return undefined
}

/** `headers.host` is the first of several. Names and values take turns in the list. */
function countHosts(rawHeaders: readonly string[]): number {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    if (name.length === 4 && (name === 'host' || name === 'Host' || name.toLowerCase() === 'host')) count += 1
  }
  return count
}
