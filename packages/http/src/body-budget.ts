import { Transform } from 'node:stream'
import { getHeapStatistics } from 'node:v8'
import { AppError } from '@reference/errors'
import type { FastifyRequest, preParsingHookHandler } from 'fastify'

/** The share of the heap that bodies may take at the same time, with everything that is parsed from them. */
const HEAP_SHARE = 1 / 8

const MAX_BUDGET_BYTES = 256 * 1024 * 1024

/** Smaller bodies count by their length alone. */
const WEIGHED_FROM_BYTES = 4096

/**
 * Limits the memory of all bodies that are received, parsed or in use, from the start of their requests to the end of their replies.
 *
 * The length of a body says little: `{"a":[{},{},…]}` takes 21 times its length when it is parsed, a long text once. Twelve such
 * bodies of 1 MB at the same time ended a process with a heap of 250 MB. A body therefore counts by its length while it
 * arrives (`content-length` at once, chunks as they arrive), and before it is parsed by an estimate of its heap.
 */
export class BodyBudget {
  readonly maxBytes: number
  readonly #held = new WeakMap<FastifyRequest, number>()
  #bytes = 0

  /** @param maxBytes by default an eighth of the heap limit of the process */
  constructor(maxBytes = Math.min(getHeapStatistics().heap_size_limit * HEAP_SHARE, MAX_BUDGET_BYTES)) {
    this.maxBytes = maxBytes
  }

  /** What all bodies take at the moment. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * The hook of routes that take a body, after tokens and rate limits were checked. A client that waits for permission to send its
   * body (`expect: 100-continue`) gets it here.
   */
  readonly admit: preParsingHookHandler = (request, reply, payload, passOn) => {
    const { headers } = request.raw
    const done: typeof passOn = (error, accepted) => {
      if (!error && headers.expect !== undefined) reply.raw.writeContinue()
      passOn(error, accepted)
    }
    if (headers['transfer-encoding'] === undefined) {
      const length = Number(headers['content-length'] ?? 0)
      // Fastify refuses what is over the limit of one body.
      if (length === 0 || length > (request.routeOptions.bodyLimit ?? 0)) return done(null, payload)
      const refusal = this.#hold(request, length)
      if (refusal) return done(refusal)
      reply.raw.once('close', () => this.#release(request))
      return done(null, payload)
    }
    reply.raw.once('close', () => this.#release(request))
    const counted = new Transform({
      transform: (chunk: Buffer, _encoding, next) => {
        const refusal = this.#hold(request, chunk.length)
        if (refusal) next(refusal)
        else next(null, chunk)
      },
    })
    payload.on('error', (error) => counted.destroy(error))
    return done(null, payload.pipe(counted))
  }

  /**
   * Counts the heap that the value of a complete JSON body will take, in addition to its length.
   *
   * @throws AppError 503 when there is no room for it now, 413 when there never is
   */
  weigh(request: FastifyRequest, bytes: Buffer): void {
    if (bytes.length < WEIGHED_FROM_BYTES) return
    const refusal = this.#hold(request, heapBytesOf(bytes))
    if (refusal) throw refusal
  }

  #hold(request: FastifyRequest, bytes: number): AppError | undefined {
    const held = (this.#held.get(request) ?? 0) + bytes
    if (held > this.maxBytes) {
      return new AppError('BODY_TOO_COMPLEX', 413, 'The body takes more memory than this service has for one')
    }
    if (this.#bytes + bytes > this.maxBytes) {
      const detail = 'The service receives too many large bodies at the moment'
      return new AppError('TOO_MANY_BODIES', 503, detail, { retryAfterSeconds: 1, expose: true })
    }
    this.#held.set(request, held)
    this.#bytes += bytes
    return undefined
  }

  #release(request: FastifyRequest): void {
    this.#bytes -= this.#held.get(request) ?? 0
    this.#held.delete(request)
  }
}

const OPENING_BRACE = 0x7b
const OPENING_BRACKET = 0x5b
const COLON = 0x3a
const COMMA = 0x2c

/**
 * An estimate of the heap that the value of a JSON text takes, measured over 15 shapes of 1 MB: objects and arrays 21 to 23 MB, distinct
 * keys 9 to 17, strings 2 to 5, numbers 2 to 4. Marks inside of strings count too, which errs on the safe side.
 */
export function heapBytesOf(json: Buffer): number {
  let bytes = json.length
  for (let index = 0; index < json.length; index++) {
    switch (json[index]) {
      case OPENING_BRACE:
      case OPENING_BRACKET:
        bytes += 48
        break
      case COLON:
        bytes += 96
        break
      case COMMA:
        bytes += 8
    }
  }
  return bytes
}
