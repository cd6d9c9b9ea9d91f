const CR = 13
const SPACE = 32
const COLON = 58
const ZERO = 48
const CHUNKED_END = Buffer.from('\r\n0\r\n\r\n')

type Body = 'none' | 'length' | 'chunked'

/**
 * Finds the end of HTTP/1.1 replies that arrive one after the other on a connection, and whether each was a 2xx.
 *
 * It is the inner loop of the load generator, so it reads bytes and creates no strings: the position of `content-length` is
 * remembered from reply to reply, and searched again where it is not there.
 */
export class ReplyReader {
  /** Whether the status of the reply was 2xx. */
  succeeded = false
  /** Whether it was 503. */
  unavailable = false
  #body: Body = 'none'
  /** Bytes of the body to come. */
  #left = 0
  /** Where the digits of `content-length` began in the last reply. */
  #position = 0
  /** The start of a reply whose head is not complete, or the end of a chunked body that may be. */
  #kept: Buffer | undefined

  /** @returns whether the reply ends with these bytes */
  read(bytes: Buffer, length: number): boolean {
    if (this.#body === 'length') {
      this.#left -= length
      return this.#endsAt(this.#left <= 0)
    }
    if (this.#body === 'chunked') return this.#readChunked(bytes.subarray(0, length))
    return this.#kept === undefined
      ? this.#readHead(bytes, length)
      : this.#readHead(Buffer.concat([this.#kept, bytes.subarray(0, length)]))
  }

  #readHead(bytes: Buffer, length = bytes.length): boolean {
    const end = bytes.indexOf('\r\n\r\n')
    // Behind what was received are bytes of an earlier reply.
    if (end < 0 || end + 4 > length) {
      this.#kept = Buffer.from(bytes.subarray(0, length))
      return false
    }
    this.#kept = undefined
    // `HTTP/1.1 200`
    this.succeeded = bytes[9] === ZERO + 2
    this.unavailable = bytes[9] === ZERO + 5 && bytes[11] === ZERO + 3
    if (!isLengthAt(bytes, this.#position)) this.#position = findLength(bytes, end)
    if (this.#position === 0) {
      this.#body = 'chunked'
      return this.#readChunked(bytes.subarray(end, length))
    }
    this.#body = 'length'
    this.#left = digitsAt(bytes, this.#position) - (length - end - 4)
    return this.#endsAt(this.#left <= 0)
  }

  /** A chunked body ends with a chunk of length 0; JSON contains no line feed that could be mistaken for it. */
  #readChunked(bytes: Buffer): boolean {
    const tail = this.#kept === undefined ? bytes : Buffer.concat([this.#kept, bytes])
    const ends = tail.subarray(-CHUNKED_END.length).equals(CHUNKED_END)
    this.#kept = ends ? undefined : Buffer.from(tail.subarray(-CHUNKED_END.length))
    return this.#endsAt(ends)
  }

  #endsAt(end: boolean): boolean {
    if (end) this.#body = 'none'
    return end
  }
}

/** Whether `-length: ` precedes this position and a digit is at it. */
function isLengthAt(bytes: Buffer, position: number): boolean {
  const digit = bytes[position] ?? 0
  return (
    position > 0 &&
    bytes[position - 1] === SPACE &&
    bytes[position - 2] === COLON &&
    bytes[position - 9] === 45 &&
    (bytes[position - 8] ?? 0) === 108 &&
    digit >= ZERO &&
    digit <= ZERO + 9
  )
}

/** Where the digits of `content-length` begin; 0 where there is no such header. */
function findLength(bytes: Buffer, end: number): number {
  const head = bytes.toString('latin1', 0, end)
  const found = /\r\ncontent-length: /i.exec(head)
  return found === null ? 0 : found.index + found[0].length
}

function digitsAt(bytes: Buffer, position: number): number {
  let value = 0
  for (let i = position; bytes[i] !== CR; i++) value = value * 10 + (bytes[i] ?? ZERO) - ZERO
  return value
}
