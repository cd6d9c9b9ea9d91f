import {
  createHash,
  createHmac,
  pbkdf2Sync,
  randomBytes,
  timingSafeEqual,
  X509Certificate,
} from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { ConnectError } from './errors.ts'
import { isAuthentication, isError, type Message } from './messages.ts'

const MECHANISM = 'SCRAM-SHA-256-PLUS'
/** The GS2 header (RFC 5802) for a binding to the server's certificate (RFC 5929). */
const HEADER = 'p=tls-server-end-point,,'
const MAX_ITERATIONS = 1_000_000

export interface LoginStep {
  /** To be sent to the server. */
  readonly answer?: Buffer
  /** The driver must receive the message. */
  readonly passOn: boolean
  /** The driver takes over. */
  readonly done: boolean
}

/** Types of the authentication message (https://www.postgresql.org/docs/current/protocol-message-formats.html). */
const OK = 0
const SASL = 10
const SASL_CONTINUE = 11
const SASL_FINAL = 12

/**
 * A login by SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677): both sides prove that they know the password, and the proof covers the
 * server's certificate as each side saw it. So a server in the middle with another certificate, which `sslmode=require` does not
 * notice, cannot relay the login.
 */
export class BoundLogin {
  readonly #socket: TLSSocket
  readonly #password: string
  readonly #nonce = randomBytes(18).toString('base64')
  readonly #clientFirst = `n=,r=${this.#nonce}`
  #expectedSignature: Buffer | undefined
  #isProved = false

  constructor(socket: TLSSocket, password: string) {
    this.#socket = socket
    this.#password = password
  }

  /** @throws ConnectError when the server is not the peer of the TLS connection, or cannot prove it */
  take(message: Message): LoginStep {
    if (isError(message)) return { passOn: true, done: true }
    if (!isAuthentication(message)) return { passOn: true, done: false }
    const data = message.body.subarray(4)
    switch (message.body.readInt32BE(0)) {
      case SASL:
        return this.#start(data)
      case SASL_CONTINUE:
        return answer(Buffer.from(this.#respond(data.toString('utf8'))))
      case SASL_FINAL:
        return this.#verify(data)
      case OK:
        if (!this.#isProved) throw unbound('lets the session in without a login')
        return { passOn: true, done: true }
      default:
        throw unbound('asks for a login that is not bound to TLS')
    }
  }

  #start(mechanisms: Buffer): LoginStep {
    if (!mechanisms.toString('latin1').split('\0').includes(MECHANISM))
      throw unbound('offers no login by SCRAM-SHA-256-PLUS')
    return answer(initialResponse(`${HEADER}${this.#clientFirst}`))
  }

  #respond(serverFirst: string): string {
    const attributes = new Map(serverFirst.split(',').map((each) => [each.charAt(0), each.slice(2)]))
    const combined = attributes.get('r') ?? ''
    const salt = Buffer.from(attributes.get('s') ?? '', 'base64')
    const iterations = Number(attributes.get('i'))
    if (!combined.startsWith(this.#nonce) || combined === this.#nonce || salt.length === 0)
      throw unbound('broke off the login')
    if (!Number.isInteger(iterations) || iterations < 1 || iterations > MAX_ITERATIONS)
      throw unbound('broke off the login')
    const salted = pbkdf2Sync(this.#password.normalize('NFKC'), salt, iterations, 32, 'sha256')
    const key = hmac(salted, 'Client Key')
    const bound = Buffer.concat([Buffer.from(HEADER), certificateHash(this.#socket)]).toString('base64')
    const withoutProof = `c=${bound},r=${combined}`
    const signed = `${this.#clientFirst},${serverFirst},${withoutProof}`
    const signature = hmac(createHash('sha256').update(key).digest(), signed)
    this.#expectedSignature = hmac(hmac(salted, 'Server Key'), signed)
    const proof = Buffer.from(key.map((byte, index) => byte ^ (signature[index] ?? 0)))
    return `${withoutProof},p=${proof.toString('base64')}`
  }

  #verify(serverFinal: Buffer): LoginStep {
    const text = /(?:^|,)v=([^,]+)/.exec(serverFinal.toString('latin1'))?.[1] ?? ''
    const signature = Buffer.from(text, 'base64')
    const expected = this.#expectedSignature
    this.#isProved =
      expected !== undefined && signature.length === expected.length && timingSafeEqual(signature, expected)
    if (!this.#isProved) throw unbound('did not prove that it knows the password')
    return { passOn: false, done: false }
  }
}

function answer(body: Buffer): LoginStep {
  return { answer: passwordMessage(body), passOn: false, done: false }
}

function initialResponse(text: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(Buffer.byteLength(text))
  return Buffer.concat([Buffer.from(`${MECHANISM}\0`), length, Buffer.from(text)])
}

function passwordMessage(body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write('p')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** `tls-server-end-point` of RFC 5929: the certificate's own hash function, and SHA-256 in place of MD5 and SHA-1. */
function certificateHash(socket: TLSSocket): Buffer {
  const { raw } = socket.getPeerCertificate()
  const { signatureAlgorithm } = new X509Certificate(raw)
  const own = /sha-?(1|224|256|384|512)/i.exec(signatureAlgorithm ?? '')?.[1]
  if (own === undefined && !/md5/i.test(signatureAlgorithm ?? '')) {
    throw unbound(`has a certificate signed by ${signatureAlgorithm}, for which no binding is defined`)
  }
  const hash = own === undefined || own === '1' ? 'sha256' : `sha${own}`
  return createHash(hash).update(raw).digest()
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function unbound(what: string): ConnectError {
  return new ConnectError('CHANNEL_BINDING', `channel_binding=require: the server ${what}`)
}
