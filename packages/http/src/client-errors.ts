import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { AppError } from '@reference/errors'
import type { ConnectionError } from 'fastify'
import { PROBLEM_TYPE, toProblem } from './problems.ts'

/**
 * Answers bytes that Node's parser refused before there was a request: malformed HTTP 400, headers over the limit 431, a
 * request that arrived too slowly 408.
 *
 * @returns the status; undefined when the client can no longer be answered
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
  const content = isToHead(error) ? '' : text
  socket.end(
    `HTTP/1.1 ${body.status} ${body.title}\r\ncontent-type: ${PROBLEM_TYPE}\r\nx-request-id: ${requestId}\r\n` +
      `cache-control: no-store\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${content}`,
  )
  return body.status
}

/** Connections whose refusal is sent or waits for earlier replies: Node reports each further packet as an error, too. */
const refused = new WeakSet<Socket>()

/**
 * Calls `refuse` once the replies to the complete requests before the refused bytes are sent: replies have the order of the requests (RFC
 * 9112, 9.3.2), and a client would take a refusal that comes earlier for the reply to its first one. At once where none is unsent, or
 * where the bytes are the body of the request that is next. A connection is refused once; not at all when an earlier reply was its last one.
 */
export function refuseInTurn(socket: Socket, refuse: () => void): void {
  if (refused.has(socket)) return
  refused.add(socket)
  const inTurn = (hasWaited: boolean) => {
    const head = replyingOn(socket)
    if (head?.req.complete) head.once('close', () => inTurn(true))
    else if (!hasWaited || socket.writable) refuse()
  }
  inTurn(false)
}

/** The reply that a connection sends, or will send next. */
export function replyingOn(socket: Socket): ServerResponse | undefined {
  return (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined
}

/** The statuses of {@link answerClientError}. */
export const CLIENT_ERROR_STATUSES = [400, 408, 431] as const

/** Whether the refused bytes were a HEAD, whose reply has no body. Not known of one that came in several packets. */
function isToHead({ rawPacket, bytesParsed = 0 }: Partial<ConnectionError>): boolean {
  // The types have it as JSON; it is a buffer.
  const bytes: unknown = rawPacket
  const received = Buffer.isBuffer(bytes) ? bytes.toString('latin1', 0, bytesParsed) : ''
  return /^\s*HEAD /.test(received.slice(received.lastIndexOf('\r\n\r\n') + 1))
}

function clientProblem(code: string): AppError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new AppError('HEADERS_TOO_LARGE', 431, 'The header is over the limit')
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new AppError('REQUEST_TIMEOUT', 408, 'The request came too slowly')
    default:
      return new AppError('MALFORMED_HTTP', 400, 'This is not valid HTTP')
  }
}
