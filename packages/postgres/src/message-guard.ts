import { ConnectError, isLoginRefusal } from './errors.ts'
import { LoginOrder } from './login-order.ts'
import { isStructured, limitOf, Type } from './message-forms.ts'
import { errorOf } from './messages.ts'
import { RequestLedger } from './request-ledger.ts'

const EMPTY = Buffer.alloc(0)
/** Type and length. */
const HEADER_BYTES = 5

/**
 * Checks what a server sends before a driver reads it. The drivers trust their server: postgres.js 3.4 loops without end over a
 * row description that is too short, rejects promises that it hides (a login it does not know, a SCRAM message without its parts)
 * and gives the rows of one statement to the next after a stray `ReadyForQuery`; the parser of node-postgres 8 throws outside of
 * every promise. So one answer of a server could end the process. After the guard a driver receives whole messages of known
 * types, in a form that it can read, as answers to what it has sent.
 *
 * The content of a value is not checked: a changed byte in a text is a changed text.
 */
export class MessageGuard {
  readonly #login = new LoginOrder()
  readonly #requests = new RequestLedger()
  #hasSession = false
  /** Parts of a message that is not complete, and how many bytes they must have before it is worth another look. */
  #parts: Buffer[] = []
  #partBytes = 0
  #neededBytes = HEADER_BYTES
  #fault: ConnectError | undefined
  readonly #serverName: string

  /** @param serverName for errors */
  constructor(serverName: string) {
    this.#serverName = serverName
  }

  /** Set by the first message that no Postgres sends in this place. Nothing is passed on afterwards. */
  get fault(): ConnectError | undefined {
    return this.#fault
  }

  /** Must receive everything that the driver sends, in whole messages. */
  sent(bytes: Buffer): void {
    this.#requests.sent(bytes)
  }

  /** @returns the whole messages up to here, or up to the fault */
  take(chunk: Buffer): Buffer {
    if (this.#fault !== undefined) return EMPTY
    if (this.#partBytes + chunk.length < this.#neededBytes) {
      this.#keep(chunk)
      return EMPTY
    }
    const bytes = this.#partBytes === 0 ? chunk : Buffer.concat([...this.#parts, chunk])
    const end = this.#checkMessages(bytes)
    this.#parts = []
    this.#partBytes = 0
    if (end < bytes.length && this.#fault === undefined) this.#keep(bytes.subarray(end))
    return end === bytes.length ? bytes : bytes.subarray(0, end)
  }

  #keep(part: Buffer): void {
    this.#parts.push(part)
    this.#partBytes += part.length
  }

  /** @returns where the last whole and valid message ends */
  #checkMessages(bytes: Buffer): number {
    let at = 0
    this.#neededBytes = HEADER_BYTES
    while (at < bytes.length) {
      const end = this.#endOf(bytes, at)
      if (end === undefined) return at
      const fault = this.#faultOf(bytes, at, end)
      if (this.#fault !== undefined) return at
      if (fault !== undefined) return this.#stop(at, fault)
      at = end
    }
    return at
  }

  /** @returns where the message ends; undefined if it is not complete or can be none */
  #endOf(bytes: Buffer, at: number): number | undefined {
    const type = bytes[at] ?? 0
    const limit = limitOf(type)
    if (limit === 0) this.#stop(at, `a message of type ${type}`)
    if (limit === 0 || bytes.length - at < HEADER_BYTES) return undefined
    const length = bytes.readUInt32BE(at + 1)
    if (length < 4 || length > limit) {
      this.#stop(at, `${nameOf(type)} of ${length} bytes`)
      return undefined
    }
    const end = at + 1 + length
    if (end <= bytes.length) return end
    this.#neededBytes = end - at
    return undefined
  }

  #faultOf(bytes: Buffer, at: number, end: number): string | undefined {
    const type = bytes[at] ?? 0
    const start = at + HEADER_BYTES
    if (!isStructured(type, bytes, start, end)) return `a malformed ${nameOf(type)}`
    if (this.#hasSession) return this.#requests.received(type)
    return this.#beforeSession(type, bytes.subarray(start, end))
  }

  #beforeSession(type: number, body: Buffer): string | undefined {
    if (type === Type.error) this.#fault = refusalOf(body)
    const fault = this.#login.received(type, body)
    if (type === Type.ready && fault === undefined) this.#hasSession = true
    return fault
  }

  #stop(at: number, what: string): number {
    const code = this.#login.isUnknownMethod
      ? 'LOGIN_METHOD'
      : this.#hasSession
        ? 'PROTOCOL_VIOLATION'
        : 'NOT_POSTGRES'
    const message = this.#login.isUnknownMethod
      ? `${this.#serverName} asks for ${what}, which is not supported`
      : `The server at ${this.#serverName} does not speak the protocol of Postgres: it sent ${what}`
    this.#fault = new ConnectError(code, message)
    return at
  }
}

/** An error before the session is a refusal, also if the driver could not know it by its code. */
function refusalOf(body: Buffer): ConnectError | undefined {
  const error = errorOf({ body })
  if (isLoginRefusal(error)) return undefined
  return new ConnectError(error.code || 'LOGIN_REFUSED', error.message || 'The server refused the session')
}

function nameOf(type: number): string {
  return `message ${String.fromCharCode(type)}`
}
