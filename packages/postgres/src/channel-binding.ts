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
/** GS2 header of RFC 5802: bound to the server's certificate (RFC 5929). */
const HEADER = 'p=tls-server-end-point,,'
const MOST_ITERATIONS = 1_000_000

export interface LoginStep {
  /** To be sent to the server. */
  readonly answer?: Buffer
  /** The driver is to see the message. */
  readonly passOn: boolean
  /** The driver takes over. */
  readonly done: boolean
}

export interface BoundLogin {
  /** @throws ConnectError when the server is not the one that the TLS connection leads to, or cannot prove it */
  take(message: Message): LoginStep
}

/**
 * A login by SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677): both sides prove that they know the password, over what both saw of
 * the server's certificate. A server between them with another certificate, which `sslmode=require` does not notice,
 * cannot pass the login on.
 */
export function createBoundLogin(socket: TLSSocket, password: string): BoundLogin {
  const nonce = randomBytes(18).toString('base64')
  const first = `n=,r=${nonce}`
  let expected: Buffer | undefined
  let isProved = false

  return {
    take(message) {
      if (isError(message)) return { passOn: true, done: true }
      if (!isAuthentication(message)) return { passOn: true, done: false }
      const data = message.body.subarray(4)
      switch (message.body.readInt32BE(0)) {
        case 10: {
          if (!data.toString('latin1').split('\0').includes(MECHANISM))
            throw unbound('offers no login by SCRAM-SHA-256-PLUS')
          return step(passwordMessage(initialResponse(`${HEADER}${first}`)))
        }
        case 11: {
          const proof = respond(data.toString('utf8'))
          return step(passwordMessage(Buffer.from(proof)))
        }
        case 12: {
          const signature = Buffer.from(/(?:^|,)v=([^,]+)/.exec(data.toString('latin1'))?.[1] ?? '', 'base64')
          if (
            expected === undefined ||
            signature.length !== expected.length ||
            !timingSafeEqual(signature, expected)
          ) {
            throw unbound('did not prove that it knows the password')
          }
          isProved = true
          return { passOn: false, done: false }
        }
        case 0: {
          if (!isProved) throw unbound('lets the session in without a login')
          return { passOn: true, done: true }
        }
        default:
          throw unbound('asks for a login that is not bound to TLS')
      }
    },
  }

  function respond(serverFirst: string): string {
    const attributes = new Map(serverFirst.split(',').map((each) => [each.charAt(0), each.slice(2)]))
    const combined = attributes.get('r') ?? ''
    const salt = Buffer.from(attributes.get('s') ?? '', 'base64')
    const iterations = Number(attributes.get('i'))
    if (!combined.startsWith(nonce) || combined === nonce || salt.length === 0)
      throw unbound('broke off the login')
    if (!Number.isInteger(iterations) || iterations < 1 || iterations > MOST_ITERATIONS)
      throw unbound('broke off the login')
    const salted = pbkdf2Sync(password.normalize('NFKC'), salt, iterations, 32, 'sha256')
    const key = hmac(salted, 'Client Key')
    const bound = Buffer.concat([Buffer.from(HEADER), certificateHash(socket)]).toString('base64')
    const withoutProof = `c=${bound},r=${combined}`
    const signed = `${first},${serverFirst},${withoutProof}`
    const signature = hmac(createHash('sha256').update(key).digest(), signed)
    expected = hmac(hmac(salted, 'Server Key'), signed)
    const proof = Buffer.from(key.map((byte, index) => byte ^ (signature[index] ?? 0)))
    return `${withoutProof},p=${proof.toString('base64')}`
  }
}

function step(answer: Buffer): LoginStep {
  return { answer, passOn: false, done: false }
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

/** `tls-server-end-point` of RFC 5929: by the certificate's own hash, by SHA-256 where that is MD5 or SHA-1. */
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
