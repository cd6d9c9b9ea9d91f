import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { ReplyReader } from './reply-reader.ts'
import { encodeRequest, type Request } from './request.ts'

export interface KeepAliveOptions {
  /** Such as `http://127.0.0.1:8000`. */
  readonly origin: string
  readonly connections: number
  /** Distributed over the connections; each connection repeats its own share. */
  readonly requests: readonly Request[]
  /** How long `run` waits for the replies in flight at the end of a slice. Default 30 s. */
  readonly replyLimitMs?: number
}

export interface SliceResult {
  /** All replies, to the end of the last one. */
  readonly answered: number
  /** Replies other than 2xx, lost connections, and replies that did not arrive within the limit. */
  readonly errors: number
  /** From the first request to the end of the last reply. */
  readonly seconds: number
  /** Headers and bodies. */
  readonly bytes: number
}

const REPLY_LIMIT_MS = 30_000

interface Slice {
  answered: number
  errors: number
  bytes: number
  running: boolean
}

/**
 * A closed loop for short slices: its connections stay open between slices, so that a slice of a fifth of a second is load
 * from its first to its last millisecond.
 *
 * It writes requests that were encoded in advance and reads no more of a reply than its length: 0.43 of the CPU time a request
 * of autocannon (`/health` from `node:http`, 50 connections, median of 8 alternated seconds each).
 */
export class KeepAliveLoop {
  readonly #requests: readonly (readonly Buffer[])[]
  readonly #origin: URL
  readonly #replyLimitMs: number
  #connections: Connection[] = []
  #slice: Slice = { answered: 0, errors: 0, bytes: 0, running: false }

  constructor({ origin, connections, requests, replyLimitMs = REPLY_LIMIT_MS }: KeepAliveOptions) {
    this.#origin = new URL(origin)
    this.#replyLimitMs = replyLimitMs
    const encoded = requests.map((request) => encodeRequest(request, this.#origin.host))
    this.#requests = Array.from({ length: connections }, (_, i) => {
      const share = encoded.filter((_, k) => k % connections === i)
      return share.length > 0 ? share : encoded
    })
  }

  /**
   * Sends requests for `durationMs`, waits for the replies in flight, and keeps the connections.
   *
   * The replies in flight count, with the time that they take: a server that answers 50 callers at once would else have none or
   * 50 replies in a slice, and its CPU time would be that of more requests than were counted.
   *
   * @throws when a connection cannot be opened; the loop then has none
   */
  async run(durationMs: number): Promise<SliceResult> {
    await this.#open()
    const slice: Slice = { answered: 0, errors: 0, bytes: 0, running: true }
    this.#slice = slice
    const began = performance.now()
    for (const connection of this.#connections) connection.send()
    await sleep(durationMs)
    slice.running = false
    await this.#idle()
    const { answered, errors, bytes } = slice
    return { answered, errors, bytes, seconds: (performance.now() - began) / 1000 }
  }

  close(): void {
    for (const connection of this.#connections) connection.close()
    this.#connections = []
  }

  /**
   * Waits for the replies in flight. At the limit it closes the connections that still wait, because a reply that never comes would
   * hang the run: each is an error, and the next slice opens new connections.
   */
  async #idle(): Promise<void> {
    const limit = setTimeout(() => {
      for (const connection of this.#connections) if (connection.isWaiting) connection.close()
    }, this.#replyLimitMs)
    await Promise.all(this.#connections.map((connection) => connection.idle()))
    clearTimeout(limit)
  }

  /** Opens what is missing: at the first slice all connections, later only the ones that the server closed while they were idle. */
  async #open(): Promise<void> {
    const kept = new Map(this.#connections.filter(({ isOpen }) => isOpen).map((each) => [each.index, each]))
    const opened = await Promise.allSettled(
      this.#requests.map(async (requests, index) => kept.get(index) ?? this.#connect(requests, index)),
    )
    this.#connections = opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    const failed = opened.find(({ status }) => status === 'rejected')
    if (failed?.status !== 'rejected') return
    this.close()
    throw failed.reason
  }

  async #connect(requests: readonly Buffer[], index: number): Promise<Connection> {
    const buffer = Buffer.allocUnsafe(64 * 1024)
    let connection: Connection | undefined
    const socket = connect({
      host: this.#origin.hostname,
      port: Number(this.#origin.port),
      noDelay: true,
      // One buffer a connection instead of a new one for each read.
      onread: {
        buffer,
        callback: (length) => {
          connection?.received(buffer, length)
          return true
        },
      },
    })
    await once(socket, 'connect')
    connection = new Connection(socket, index, requests, () => this.#slice)
    return connection
  }
}

/** One connection with one request in flight. */
class Connection {
  readonly index: number
  readonly #socket: Socket
  readonly #requests: readonly Buffer[]
  readonly #slice: () => Slice
  readonly #reader = new ReplyReader()
  #next = 0
  #waiting = false
  #onIdle: (() => void) | undefined
  isOpen = true

  constructor(socket: Socket, index: number, requests: readonly Buffer[], slice: () => Slice) {
    this.#socket = socket
    this.index = index
    this.#requests = requests
    this.#slice = slice
    socket.on('error', () => {}).on('close', () => this.#lost())
  }

  send(): void {
    const request = this.#requests[this.#next++ % this.#requests.length]
    if (request === undefined || !this.isOpen) return
    this.#waiting = true
    this.#socket.write(request)
  }

  received(buffer: Buffer, length: number): void {
    const slice = this.#slice()
    slice.bytes += length
    if (!this.#reader.read(buffer, length)) return
    this.#waiting = false
    slice.answered++
    if (!this.#reader.succeeded) slice.errors++
    if (slice.running) this.send()
    else this.#onIdle?.()
  }

  get isWaiting(): boolean {
    return this.#waiting
  }

  /** Resolves when no reply is outstanding. */
  async idle(): Promise<void> {
    if (!this.#waiting) return
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #lost(): void {
    this.isOpen = false
    if (this.#waiting) this.#slice().errors++
    this.#waiting = false
    this.#onIdle?.()
  }
}
