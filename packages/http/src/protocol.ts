import type { IncomingMessage } from 'node:http'
import { AppError } from '@reference/errors'

/** The only expectation of the standard (RFC 9110, 10.1.1); `BodyBudget` answers it. */
const CONTINUE = /(?:^|\W)100-continue(?:\W|$)/i

/** A name or an address, and perhaps a port. */
const HOST = /^(?:[A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{0,5})?$/

/** The absolute form of a request's target (RFC 9112, 3.2.2). */
const ABSOLUTE = /^https?:\/\//i

/** Whether the value of a Host header names a host. */
export const isHost = (value: string): boolean => HOST.test(value)

/**
 * Checks a parsed request against HTTP itself. Node's own checks would answer without a body, so they are turned off and
 * this check replaces them.
 *
 * @returns undefined for a valid request
 */
export function protocolFault(raw: IncomingMessage): AppError | undefined {
  const { url = '/', method } = raw
  // The router takes the first character for the slash: it would find the route of `/` for `*`.
  if (url[0] !== '/' && !ABSOLUTE.test(url) && !(url === '*' && method === 'OPTIONS')) {
    return new AppError('MALFORMED_URL', 400, 'The target is neither a path nor an absolute URL')
  }
  const hosts = countHosts(raw.rawHeaders)
  if (hosts > 1) return new AppError('HOST_REPEATED', 400, 'The request has more than one Host header')
  if (hosts === 0 && raw.httpVersion === '1.1') {
    return new AppError('HOST_MISSING', 400, 'A request of HTTP/1.1 needs a Host header')
  }
  const { host, expect, 'transfer-encoding': coding } = raw.headers
  if (host !== undefined && !isHost(host)) {
    return new AppError('HOST_INVALID', 400, 'The Host header does not name a host')
  }
  // The standard suggests 501 (RFC 9112, 6.1); as a 5xx a client could fill the log and raise alerts with it.
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    return new AppError('TRANSFER_CODING_UNSUPPORTED', 400, 'The only transfer coding is chunked')
  }
  if (expect !== undefined && !CONTINUE.test(expect)) {
    return new AppError('EXPECTATION_FAILED', 417, 'The only expectation met is 100-continue')
  }
  return undefined
}

/** `headers.host` holds only the first of several. Names and values alternate in the list. */
function countHosts(rawHeaders: readonly string[]): number {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    if (name.length === 4 && (name === 'host' || name === 'Host' || name.toLowerCase() === 'host')) count += 1
  }
  return count
}
