import { AsyncResource } from 'node:async_hooks'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { replyingOn } from './client-errors.ts'

/** Requests of one connection that run at the same time. */
export const MAX_RUNNING = 8

/** Bytes of replies that the client of one connection has not taken, beyond which its further requests wait. */
const MAX_UNSENT_BYTES = 256 * 1024

/** Requests of one connection that wait. A connection with more is closed. */
export const MAX_WAITING = 100

/** Methods that change nothing (RFC 9110, 9.2.1). */
const SAFE_METHODS: ReadonlySet<string | undefined> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/**
 * Passes on the requests of each connection in the order that their client relies on, and a bounded number of them.
 *
 * Node passes on each pipelined request at once, and keeps the replies until the earlier ones are sent. Two things follow. Writes of one
 * connection run side by side: of five PATCH requests of one row, the last was not the one that stayed in 120 of 150 runs. And a
 * client that does not read gets its replies computed and kept: 840 KB of requests for pages took 2.6 GB. Here a pipelined write
 * waits for all earlier requests of its connection, a read for the earlier writes, and few requests run at once. While a request
 * waits, the connection is not read.
 *
 * A request without an unfinished one before it, the usual case, costs one comparison.
 */
export function inOrder(listener: RequestListener): RequestListener {
  const pipelines = new WeakMap<Socket, Pipeline>()
  return (request, response) => {
    // Node gives a response its socket once it is the next one to be sent.
    if (response.socket !== null) {
      listener(request, response)
      return
    }
    const { socket } = request
    let pipeline = pipelines.get(socket)
    if (pipeline === undefined) {
      pipeline = new Pipeline(socket)
      pipelines.set(socket, pipeline)
    }
    pipeline.add(request, () => listener(request, response), response)
  }
}

interface Waiting {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly start: () => void
}

/** The unfinished requests of a connection, from its first pipelined one on. */
class Pipeline {
  readonly #socket: Socket
  readonly #running = new Set<ServerResponse>()
  readonly #waiting: Waiting[] = []
  #isWriting = false

  constructor(socket: Socket) {
    this.#socket = socket
    socket.once('close', () => this.#waiting.splice(0))
  }

  add(request: IncomingMessage, start: () => void, response: ServerResponse): void {
    // The parser completes the bytes that it has, also when the connection was closed meanwhile.
    if (this.#isClosing) return
    if (this.#running.size === 0) this.#followHead()
    // Otherwise it would run in the trace of the request whose end lets it start.
    this.#waiting.push({ request, response, start: AsyncResource.bind(start) })
    this.#startNext()
    if (this.#waiting.length > MAX_WAITING) this.#socket.destroy()
    // After the parser has completed its bytes: it would resume the socket at the end of each request.
    else if (this.#waiting.length > 0) process.nextTick(() => this.#stopReading())
  }

  get #isClosing(): boolean {
    return this.#socket.destroyed || this.#socket.writableEnded
  }

  /** The request before the first pipelined one was passed on without being recorded. */
  #followHead(): void {
    const head = replyingOn(this.#socket)
    if (head) this.#follow(head, head.req)
  }

  #follow(response: ServerResponse, request: IncomingMessage): void {
    const isWrite = !SAFE_METHODS.has(request.method)
    if (isWrite) this.#isWriting = true
    this.#running.add(response)
    response.once('close', () => {
      this.#running.delete(response)
      if (isWrite) this.#isWriting = false
      this.#startNext()
    })
  }

  #startNext(): void {
    if (this.#isClosing) {
      this.#waiting.splice(0)
      return
    }
    for (let next = this.#waiting[0]; next !== undefined && this.#mayStart(next); next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#follow(next.response, next.request)
      next.start()
    }
    if (this.#waiting.length === 0 && this.#socket.isPaused()) this.#socket.resume()
  }

  #mayStart({ request }: Waiting): boolean {
    if (this.#running.size === 0) return true
    if (this.#isWriting || !SAFE_METHODS.has(request.method)) return false
    return this.#running.size < MAX_RUNNING && this.#unsentBytes() <= MAX_UNSENT_BYTES
  }

  #unsentBytes(): number {
    let bytes = 0
    for (const response of this.#running) bytes += response.writableLength
    return bytes
  }

  #stopReading(): void {
    if (this.#waiting.length > 0 && !this.#isClosing) this.#socket.pause()
  }
}
