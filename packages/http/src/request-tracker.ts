import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionError, FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import { answerClientError, refuseInTurn, replyingOn } from './client-errors.ts'
import type { Lifecycle, ReplyInFlight } from './lifecycle.ts'
import { createRequestLog } from './logging.ts'
import { CLIENT_CLOSED, type RequestMetrics } from './metrics.ts'
import type { TracedRequest } from './tracing.ts'

/** Tracks each request to its end, answered or not: in flight, counted, logged. */
export interface RequestTracker {
  /** Sets the request id and the headers of every reply, and records the end of the request. */
  track(request: FastifyRequest, reply: FastifyReply, traced?: TracedRequest): void
  /** Records the end of a reply that was written before Fastify saw the request. */
  trackHot(reply: HotReplyInfo): void
  /**
   * Records a reply of a hot route that is not written yet, and its end.
   *
   * @returns forgets it, for a request that Fastify answers
   */
  trackHotRead(reply: HotReplyInfo): () => void
  /** Answers and counts bytes that the parser refused: they are no request, or only a part of one. */
  refuse(error: ConnectionError, socket: Socket): void
}

/** A reply of a hot route. */
export interface HotReplyInfo {
  readonly id: string
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The URL of the route. */
  readonly route: string
  /** On the monotonic clock. */
  readonly startedAt: number
}

export function createRequestTracker(options: {
  lifecycle: Lifecycle
  /** Of every reply. */
  headers: Readonly<Record<string, string>>
  metrics: RequestMetrics | undefined
  logger: FastifyBaseLogger
  /** Logs a line for each request and for refused bytes; otherwise only for requests whose trace is kept. */
  requestLog: boolean
  requestIds: () => string
}): RequestTracker {
  const { lifecycle, headers, metrics, logger, requestLog, requestIds } = options
  const constant = Object.entries(headers)
  const log = createRequestLog(logger)
  const refused = new WeakMap<ReplyInFlight, number>()
  const trackUntilClosed = (info: HotReplyInfo) => {
    const { response, route, startedAt } = info
    const reply = new HotReplyInFlight(info)
    const end = () => {
      lifecycle.inFlight.delete(reply)
      const status = response.writableFinished ? response.statusCode : (refused.get(reply) ?? CLIENT_CLOSED)
      metrics?.observe('GET', route, status, performance.now() - startedAt)
    }
    lifecycle.inFlight.add(reply)
    response.on('close', end)
    return () => {
      lifecycle.inFlight.delete(reply)
      response.off('close', end)
    }
  }
  return {
    trackHotRead: trackUntilClosed,
    track(request, reply, traced) {
      reply.header('x-request-id', request.id)
      for (const [name, value] of constant) reply.header(name, value)
      if (lifecycle.lastReplies) reply.header('connection', 'close')
      lifecycle.inFlight.add(reply)
      reply.raw.on('close', () => {
        lifecycle.inFlight.delete(reply)
        const status = reply.raw.writableFinished
          ? reply.raw.statusCode
          : (refused.get(reply) ?? CLIENT_CLOSED)
        const traceId = traced?.traceId
        const { begun } = request
        const ms = begun === undefined ? reply.elapsedTime : performance.now() - begun.startedAt
        metrics?.observe(request.method, request.routeOptions.url, status, ms, traceId)
        if (requestLog || traceId !== undefined) log(request, reply, status, traceId)
      })
    },
    trackHot(written) {
      const { response, route, startedAt } = written
      const { socket } = response
      // The kernel has everything: the reply is over, and no listener has to wait for that.
      if (socket !== null && socket.writableLength === 0 && socket.errored === null) {
        metrics?.observe('GET', route, response.statusCode, performance.now() - startedAt)
        return
      }
      // The kernel has not taken everything yet.
      trackUntilClosed(written)
    },
    refuse(error, socket) {
      // Bytes after the last request of a connection are ignored (RFC 9112, 9.6); its reply, which closes the connection, must not be lost.
      if (error.code === 'HPE_CLOSED_CONNECTION' && replyingOn(socket) !== undefined) return
      refuseInTurn(socket, () => {
        const reply = replyOn(lifecycle.inFlight, socket)
        // A client would read the bytes of a second reply as the rest of the first.
        if (reply?.raw.headersSent) {
          socket.destroy()
          return
        }
        const requestId = reply?.request.id ?? requestIds()
        const status = answerClientError(error, socket, requestId)
        if (status === undefined) return
        if (reply) {
          refused.set(reply, status)
          return
        }
        metrics?.refuse(status)
        if (!requestLog) return
        logger.info({ requestId, status, code: error.code, remote: socket.remoteAddress }, 'request refused')
      })
    },
  }
}

function replyOn(inFlight: Iterable<ReplyInFlight>, socket: Socket): ReplyInFlight | undefined {
  for (const reply of inFlight) if (reply.raw.socket === socket) return reply
  return undefined
}

class HotReplyInFlight implements ReplyInFlight {
  readonly raw: ServerResponse
  readonly request: { readonly id: string; readonly raw: IncomingMessage }

  constructor({ id, request, response }: HotReplyInfo) {
    this.raw = response
    this.request = { id, raw: request }
  }

  /** Its head is written already. */
  header(): void {}
}
