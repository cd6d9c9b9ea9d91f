import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHistogram, encodeHistogram } from '../stats/histogram.ts'
import { ReplyReader } from './reply-reader.ts'
import { encodeRequest, type Request } from './request.ts'

export interface ImpatientOptions {
  /** Such as `http://127.0.0.1:8000`. */
  readonly origin: string
  readonly ratePerSecond: number
  readonly durationMs: number
  /** Sent in this order, then again from the first. */
  readonly requests: readonly Request[]
  /** A caller without a reply for this long closes its connection. */
  readonly patienceMs: number
}

/** The requests that were due within a time of {@link BUCKET_MS}. */
export interface Bucket {
  readonly due: number
  /** Answered with 2xx within the patience. */
  readonly good: number
  /** Of those, in milliseconds from the due time. */
  readonly slowestMs: number
}

export interface ImpatientResult {
  readonly sent: number
  readonly good: number
  /** Answered with 503. */
  readonly refused: number
  /** The caller gave up. */
  readonly abandoned: number
  /** Other statuses, lost connections, and connections that could not be opened. */
  readonly failed: number
  /** Encoded HDR histogram of microseconds from the due time of a request to the end of its reply, of the good ones. */
  readonly histogram: string
  /** How late the generator sent its requests, in milliseconds. */
  readonly lagP99Ms: number
  readonly buckets: readonly Bucket[]
}

export const BUCKET_MS = 250

/** Each connection needs a file descriptor here and in the service. */
const MAX_CONNECTIONS = 15_000

/** One buffer for all connections: what is read into it is consumed before the next read. */
const SHARED_BUFFER = Buffer.allocUnsafeSlow(256 * 1024)

/**
 * An open loop of callers that give up: requests are sent at a fixed rate, each on a connection without another request in flight, and a
 * caller whose patience has ended closes its connection, as browsers and proxies do. This is the load under which a service without a
 * limit collapses: the work that it does is for callers that have left.
 *
 * It sends every millisecond what has become due since; the latency counts from the due time.
 */
export async function impatientLoop(options: ImpatientOptions): Promise<ImpatientResult> {
  return new ImpatientLoop(options).run()
}

class ImpatientLoop {
  readonly #options: ImpatientOptions
  readonly #url: URL
  readonly #requests: readonly Buffer[]
  readonly #latencies = createHistogram()
  readonly #lags = createHistogram()
  readonly #buckets: { due: number; good: number; slowestMs: number }[] = []
  readonly #idle: Caller[] = []
  /** In the order of their due times; the patience is the same for all, so they end in this order. */
  readonly #expiries: { readonly at: number; readonly caller: Caller; readonly number: number }[] = []
  #nextExpiry = 0
  readonly #open = new Set<Caller>()
  readonly #counts = { sent: 0, good: 0, refused: 0, abandoned: 0, failed: 0 }
  #waiting = 0
  #startedAt = 0

  constructor(options: ImpatientOptions) {
    this.#options = options
    this.#url = new URL(options.origin)
    this.#requests = options.requests.map((request) => encodeRequest(request, this.#url.host))
  }

  async run(): Promise<ImpatientResult> {
    const { durationMs, ratePerSecond, patienceMs } = this.#options
    const total = Math.max(1, Math.round((ratePerSecond * durationMs) / 1000))
    this.#startedAt = performance.now() + 20
    while (this.#counts.sent < total) {
      await sleep(1)
      const now = performance.now()
      const due = Math.min(total, Math.floor(((now - this.#startedAt) * ratePerSecond) / 1000) + 1)
      while (this.#counts.sent < due) this.#sendNext(now)
      this.#giveUp(now)
    }
    const endAt = performance.now() + patienceMs + 100
    while (this.#waiting > 0 && performance.now() < endAt) {
      await sleep(5)
      this.#giveUp(performance.now())
    }
    for (const caller of this.#open) caller.close()
    return {
      ...this.#counts,
      histogram: encodeHistogram(this.#latencies),
      lagP99Ms: this.#lags.getValueAtPercentile(99) / 1000,
      buckets: this.#buckets,
    }
  }

  #sendNext(now: number): void {
    const { ratePerSecond, patienceMs } = this.#options
    const number = this.#counts.sent++
    const dueAt = this.#startedAt + (number * 1000) / ratePerSecond
    this.#lags.recordValue(Math.max(1, Math.round((now - dueAt) * 1000)))
    this.#bucketOf(dueAt).due++
    const bytes = this.#requests[number % this.#requests.length]
    const caller = this.#idle.pop() ?? this.#openCaller()
    if (caller === undefined || bytes === undefined) {
      this.#counts.failed++
      return
    }
    this.#waiting++
    caller.send(bytes, number, dueAt)
    this.#expiries.push({ at: dueAt + patienceMs, caller, number })
  }

  #giveUp(now: number): void {
    for (;;) {
      const next = this.#expiries[this.#nextExpiry]
      if (next === undefined || next.at > now) return
      this.#nextExpiry++
      if (next.caller.number !== next.number) continue
      this.#waiting--
      this.#counts.abandoned++
      next.caller.close()
    }
  }

  #openCaller(): Caller | undefined {
    if (this.#open.size >= MAX_CONNECTIONS) return undefined
    const caller = new Caller(this.#url, {
      answered: (reply, dueAt) => {
        this.#waiting--
        this.#idle.push(caller)
        if (reply.succeeded) this.#recordGood(dueAt)
        else if (reply.unavailable) this.#counts.refused++
        else this.#counts.failed++
      },
      closed: (wasWaiting) => {
        this.#open.delete(caller)
        const index = this.#idle.lastIndexOf(caller)
        if (index !== -1) this.#idle.splice(index, 1)
        if (!wasWaiting) return
        this.#waiting--
        this.#counts.failed++
      },
    })
    this.#open.add(caller)
    return caller
  }

  #recordGood(dueAt: number): void {
    const ms = performance.now() - dueAt
    this.#counts.good++
    this.#latencies.recordValue(Math.max(1, Math.round(ms * 1000)))
    const bucket = this.#bucketOf(dueAt)
    bucket.good++
    bucket.slowestMs = Math.max(bucket.slowestMs, ms)
  }

  #bucketOf(dueAt: number) {
    const index = Math.floor((dueAt - this.#startedAt) / BUCKET_MS)
    this.#buckets[index] ??= { due: 0, good: 0, slowestMs: 0 }
    return this.#buckets[index]
  }
}

interface CallerEvents {
  answered(reply: Pick<ReplyReader, 'succeeded' | 'unavailable'>, dueAt: number): void
  closed(wasWaiting: boolean): void
}

/** One connection with one request in flight at most. */
class Caller {
  readonly #socket: Socket
  readonly #reader = new ReplyReader()
  #dueAt = 0
  /** Of the request in flight; -1 without one. */
  number = -1

  constructor({ hostname, port }: URL, events: CallerEvents) {
    this.#socket = connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
      onread: {
        buffer: SHARED_BUFFER,
        callback: (length) => {
          if (!this.#reader.read(SHARED_BUFFER, length) || this.number === -1) return true
          this.number = -1
          events.answered(this.#reader, this.#dueAt)
          return true
        },
      },
    })
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      const wasWaiting = this.number !== -1
      this.number = -1
      events.closed(wasWaiting)
    })
  }

  send(bytes: Buffer, number: number, dueAt: number): void {
    this.number = number
    this.#dueAt = dueAt
    this.#socket.write(bytes)
  }

  close(): void {
    this.number = -1
    this.#socket.destroy()
  }
}
