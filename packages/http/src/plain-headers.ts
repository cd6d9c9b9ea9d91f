import { isHost } from './protocol.ts'

/** The headers of a plain request: one valid Host, no body, no condition, no expectation, no upgrade. */
export class PlainHeaders {
  readonly #cors: boolean
  requestId: string | undefined
  acceptEncoding: string | undefined
  forwardedFor: string | undefined
  traceparent: string | undefined
  #hosts = 0
  /** Clients send the same one again and again. */
  #lastHost = ''

  constructor(cors: boolean) {
    this.#cors = cors
  }

  /** Reads names and values, alternating; false when the request is not plain. */
  read(raw: readonly string[]): boolean {
    this.requestId = undefined
    this.acceptEncoding = undefined
    this.forwardedFor = undefined
    this.traceparent = undefined
    this.#hosts = 0
    for (let index = 0; index < raw.length; index += 2) {
      const name = raw[index] as string
      if (MAY_MATTER[name.length] === true && !this.#take(name, raw[index + 1] as string)) return false
    }
    return this.#hosts === 1
  }

  #takeHost(value: string): boolean {
    if (value !== this.#lastHost) {
      if (!isHost(value)) return false
      this.#lastHost = value
    }
    return ++this.#hosts === 1
  }

  #take(name: string, value: string): boolean {
    // Most clients write one of these two spellings, which need no conversion.
    if (name === 'host' || name === 'Host') return this.#takeHost(value)
    switch (name.toLowerCase()) {
      case 'host':
        return this.#takeHost(value)
      case 'x-forwarded-for':
        if (this.forwardedFor !== undefined) return false
        this.forwardedFor = value
        return true
      case 'x-request-id':
        if (this.requestId !== undefined) return false
        this.requestId = value
        return true
      case 'traceparent':
        if (this.traceparent !== undefined) return false
        this.traceparent = value
        return true
      case 'accept-encoding':
        if (this.acceptEncoding !== undefined) return false
        this.acceptEncoding = value
        return true
      case 'origin':
        return !this.#cors
      case 'content-length':
      case 'transfer-encoding':
      case 'expect':
      case 'upgrade':
      case 'if-match':
      case 'if-none-match':
      case 'if-modified-since':
      case 'if-unmodified-since':
      case 'if-range':
        return false
      default:
        return true
    }
  }
}

/** Whether a name of this length may be a name that matters. */
const MAY_MATTER: readonly boolean[] = Array.from({ length: 64 }, (_, length) =>
  [4, 6, 7, 8, 11, 12, 13, 14, 15, 17, 19].includes(length),
)
