// The messages of the protocol (version 3) that are needed before a driver takes over.
import { isStructured, Type } from './message-forms.ts'

const PROTOCOL_3 = 196_608

export function startupMessage(parameters: Readonly<Record<string, string>>): Buffer {
  const pairs = Object.entries(parameters).map(([name, value]) => `${name}\0${value}\0`)
  const body = Buffer.from(`${pairs.join('')}\0`)
  const head = Buffer.alloc(8)
  head.writeInt32BE(body.length + 8, 0)
  head.writeInt32BE(PROTOCOL_3, 4)
  return Buffer.concat([head, body])
}

export interface Message {
  readonly type: number
  /** Without type and length. */
  readonly body: Buffer
  /** The whole message as it arrived. */
  readonly bytes: Buffer
}

/** Limit of a message before the session has started; an error of the server is far shorter. */
const MAX_BYTES = 65_536

/**
 * Splits the bytes that have arrived into the first message and the rest.
 *
 * @returns undefined while the message is incomplete; `invalid` for bytes that no Postgres sends before a session starts
 */
export function nextMessage(arrived: Buffer): { message: Message; rest: Buffer } | 'invalid' | undefined {
  if (arrived.length === 0) return undefined
  // R, E, N(otice), S(tatus), K(ey), Z (ready)
  if (!'RENSKZ'.includes(String.fromCharCode(arrived[0] ?? 0))) return 'invalid'
  if (arrived.length < 5) return undefined
  const length = arrived.readInt32BE(1)
  if (length < 4 || length > MAX_BYTES) return 'invalid'
  if (arrived.length < length + 1) return undefined
  const bytes = arrived.subarray(0, length + 1)
  if (!isStructured(bytes[0] ?? 0, bytes, 5, bytes.length)) return 'invalid'
  const message = { type: bytes[0] ?? 0, body: bytes.subarray(5), bytes }
  return { message, rest: arrived.subarray(length + 1) }
}

export function isAuthentication({ type }: Message): boolean {
  return type === Type.authentication
}

export function isError({ type }: Message): boolean {
  return type === Type.error
}

/** `C` (SQLSTATE), `M` (message) and `V` (severity) of an ErrorResponse. */
export function errorOf({ body }: Pick<Message, 'body'>): {
  code: string
  message: string
  severity: string
} {
  const fields = new Map(
    body
      .toString('utf8')
      .split('\0')
      .map((field) => [field.charAt(0), field.slice(1)]),
  )
  return {
    code: fields.get('C') ?? '',
    message: fields.get('M') ?? '',
    severity: fields.get('V') ?? fields.get('S') ?? '',
  }
}
