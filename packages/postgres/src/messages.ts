// The messages of the protocol (version 3) that are needed before a driver takes over.

const PROTOCOL_3 = 196_608
const AUTHENTICATION = 0x52
const ERROR = 0x45

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
  // R, E, N(otice), v(ersion), S(tatus), K(ey), Z (ready)
  if (!'RENvSKZ'.includes(String.fromCharCode(arrived[0] ?? 0))) return 'invalid'
  if (arrived.length < 5) return undefined
  const length = arrived.readInt32BE(1)
  if (length < 4 || length > MAX_BYTES) return 'invalid'
  if (arrived.length < length + 1) return undefined
  const bytes = arrived.subarray(0, length + 1)
  const message = { type: bytes[0] ?? 0, body: bytes.subarray(5), bytes }
  return { message, rest: arrived.subarray(length + 1) }
}

export function isAuthentication({ type }: Message): boolean {
  return type === AUTHENTICATION
}

export function isError({ type }: Message): boolean {
  return type === ERROR
}

/** `C` (SQLSTATE) and `M` (message) of an ErrorResponse. */
export function errorOf({ body }: Message): { code: string; message: string } {
  const fields = new Map(
    body
      .toString('utf8')
      .split('\0')
      .map((field) => [field.charAt(0), field.slice(1)]),
  )
  return { code: fields.get('C') ?? '', message: fields.get('M') ?? '' }
}
