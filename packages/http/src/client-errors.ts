import type { Socket } from 'node:net'
import type { ConnectionError } from 'fastify'
import { PROBLEM_TYPE, type ProblemError, problem, toProblem } from './problems.ts'

/**
 * Answers what Node's parser refused, when there is no request yet.
 * Malformed HTTP 400, headers over the limit 431, a request that came too slowly 408.
 *
 * @returns the status; undefined when nobody could be answered
 */
export function answerClientError(
  error: ConnectionError,
  socket: Socket,
  requestId: string,
): number | undefined {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return undefined
  }
  const { body } = toProblem(clientProblem(error.code), requestId, undefined)
  const text = JSON.stringify(body)
  socket.end(
    `HTTP/1.1 ${body.status} ${body.title}\r\ncontent-type: ${PROBLEM_TYPE}\r\nx-request-id: ${requestId}\r\n` +
      `cache-control: no-store\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  )
  return body.status
}

/** What {@link answerClientError} may answer. */
export const CLIENT_ERROR_STATUSES = [400, 408, 431] as const

function clientProblem(code: string): ProblemError {
  if (code === 'HPE_HEADER_OVERFLOW') return problem(431, 'HEADERS_TOO_LARGE', 'The header is over the limit')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return problem(408, 'REQUEST_TIMEOUT', 'The request came too slowly')
  return problem(400, 'MALFORMED_HTTP', 'This is not valid HTTP')
}
