import { Type } from './message-forms.ts'

/** Kinds of the authentication message. */
const OK = 0
const CLEARTEXT = 3
const MD5 = 5
const SASL = 10
const SASL_CONTINUE = 11
const SASL_FINAL = 12

const OTHER_METHODS: Readonly<Record<number, string>> = { 2: 'Kerberos', 6: 'SCM', 7: 'GSSAPI', 9: 'SSPI' }

/** What may follow each kind. The first message of a server is one that may follow `start`. */
const NEXT: Readonly<Record<number | 'start', readonly number[]>> = {
  start: [OK, CLEARTEXT, MD5, SASL],
  [CLEARTEXT]: [OK],
  [MD5]: [OK],
  [SASL]: [SASL_CONTINUE],
  [SASL_CONTINUE]: [SASL_FINAL],
  [SASL_FINAL]: [OK],
  [OK]: [],
}

/**
 * The limit of node-postgres. postgres.js has none, and computes on the main thread: 100,000 iterations take about 40 ms. Postgres
 * stores 4,096 by default.
 */
const MAX_ITERATIONS = 100_000

const LENGTHS: Readonly<Record<number, number>> = { [OK]: 4, [CLEARTEXT]: 4, [MD5]: 8 }

/** The messages of a server from the start message to the first `ReadyForQuery`. */
export class LoginOrder {
  #last: number | 'start' = 'start'
  #isUnknownMethod = false

  /** The fault was a login method that no driver knows. */
  get isUnknownMethod(): boolean {
    return this.#isUnknownMethod
  }

  /** @returns what is wrong with the message in this place */
  received(type: number, body: Buffer): string | undefined {
    switch (type) {
      case Type.error:
      case Type.notice:
        return undefined
      case Type.authentication:
        return this.#authentication(body)
      case Type.parameterStatus:
      case Type.keyData:
      case Type.ready:
        return this.#last === OK ? undefined : 'a session before the login'
      default:
        return `message ${String.fromCharCode(type)} before the session`
    }
  }

  #authentication(body: Buffer): string | undefined {
    const kind = body.readInt32BE(0)
    if (this.#last === 'start') {
      const method = unknownMethod(body)
      this.#isUnknownMethod = method !== undefined
      if (method !== undefined) return `a login by ${method}`
    }
    if (!NEXT[this.#last]?.includes(kind)) return `step ${kind} of a login in the wrong place`
    this.#last = kind
    return isWellFormed(kind, body) ? undefined : `a malformed step ${kind} of a login`
  }
}

/**
 * The name of the method, if neither driver knows it: Kerberos, GSSAPI and SSPI (a `gss` line in pg_hba.conf), SASL without SCRAM
 * (`oauth` of Postgres 18).
 *
 * @param body of the first authentication message
 */
export function unknownMethod(body: Buffer): string | undefined {
  const kind = body.readInt32BE(0)
  const data = body.subarray(4)
  if (
    kind === SASL &&
    isTextList(data) &&
    !mechanismsOf(data).some((name) => name.startsWith('SCRAM-SHA-256'))
  ) {
    return `SASL (${mechanismsOf(data).join(', ').slice(0, 100)})`
  }
  if ([OK, CLEARTEXT, MD5, SASL, SASL_CONTINUE, SASL_FINAL].includes(kind)) return undefined
  return OTHER_METHODS[kind] ?? `method ${kind}`
}

function isWellFormed(kind: number, body: Buffer): boolean {
  const length = LENGTHS[kind]
  if (length !== undefined) return body.length === length
  const data = body.subarray(4)
  if (kind === SASL) return isTextList(data)
  const text = data.toString('utf8')
  return kind === SASL_FINAL ? text.startsWith('v=') : isChallenge(text)
}

/** Texts with a zero byte each, then one more zero byte. */
function isTextList(data: Buffer): boolean {
  return data.length >= 2 && data.at(-1) === 0 && data.at(-2) === 0
}

function mechanismsOf(data: Buffer): string[] {
  return data.toString('latin1').split('\0').filter(Boolean)
}

/** The server's first message of RFC 5802: nonce, salt and iterations. */
function isChallenge(text: string): boolean {
  const [, nonce, salt, iterations] = /^r=([!-+\--~]+),s=([A-Za-z0-9+/]+=*),i=(\d{1,9})$/.exec(text) ?? []
  if (nonce === undefined || salt === undefined) return false
  return Number(iterations) >= 1 && Number(iterations) <= MAX_ITERATIONS
}
