import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { delay } from '@reference/async'
import fc from 'fast-check'
import type { Patience } from './patience.ts'
import { FramingFault, headerOf, type Reply, readReply } from './replies.ts'
import { connected, type Target } from './wire.ts'

/** The bytes of one connection, and how the client ends it. */
export interface RawConversation {
  readonly requests: readonly RawRequest[]
  /**
   * `patient`: the client sends a FIN when the service has not closed the connection by itself for a while. `half-close`: the client
   * sends a FIN at once and reads on; Node then ends the connection, with or without the replies that are not ready. `unread`: the
   * client does not read, then leaves. `leave`: the client leaves at once.
   */
  readonly ending: 'patient' | 'half-close' | 'unread' | 'leave'
  /** Sends the bytes in pieces of this size; all at once without it. */
  readonly pieceBytes: number | undefined
}

interface RawRequest {
  /** latin1 */
  readonly bytes: string
  /** The method, where these bytes are one valid request. */
  readonly method: string | undefined
  /** Its request id, where these bytes are one valid request. */
  readonly id: string | undefined
}

/** The request id of bytes inside a body: no reply may have it. */
const SMUGGLED = 'smuggled'
const HIDDEN = `GET /health HTTP/1.1\r\nHost: test\r\nX-Request-Id: ${SMUGGLED}\r\n\r\n`

const TARGETS = [
  '/health',
  '/users/1',
  '/users/2',
  '/products/3',
  '/orders?limit=2',
  '/users?limit=500',
  '/nothing',
  '/docs/static/swagger-ui-bundle.js',
]

const REQUEST_LINES: readonly string[] = [
  ...[
    'GET /users/1',
    'GET',
    '',
    ' ',
    'GET  /users/1 HTTP/1.1',
    'GET /users/1 HTTP/1.1 ',
    'GET /users/1 HTTP/2.0',
  ],
  ...[
    'GET /users/1 HTTP/0.9',
    'GET /users/1 HTTP/1.9',
    'GET /users/1 http/1.1',
    'GET /users/1 HTTP/1.11',
    'G ET / HTTP/1.1',
  ],
  ...[
    'get /users/1 HTTP/1.1',
    'GETS /users/1 HTTP/1.1',
    'PRI * HTTP/2.0',
    'CONNECT test:80 HTTP/1.1',
    'GET * HTTP/1.1',
  ],
  ...[
    'OPTIONS * HTTP/1.1',
    'GET http://test/users/1 HTTP/1.1',
    'GET https://test:1/users/1?x HTTP/1.1',
    'GET //test/ HTTP/1.1',
  ],
  ...[
    'GET http:// HTTP/1.1',
    'GET test:80 HTTP/1.1',
    'GET /users/1\t HTTP/1.1',
    'GET /users /1 HTTP/1.1',
    'GET /\x00 HTTP/1.1',
  ],
  ...[
    'GET /\xff\xfe HTTP/1.1',
    'GET /users/1#a HTTP/1.1',
    'GET ?a HTTP/1.1',
    'GET users/1 HTTP/1.1',
    '\x16\x03\x01\x02\x00\x01',
  ],
  ...[
    'SOURCE /a HTTP/1.1',
    'GET /users/1 HTTP/1.0',
    'GET /users/1 ICE/1.0',
    `GET /${'a'.repeat(20_000)} HTTP/1.1`,
  ],
  ...[
    `${'A'.repeat(5000)} / HTTP/1.1`,
    'POST /users HTTP/1.1',
    'M-SEARCH * HTTP/1.1',
    'GET /users/1 HTTP/1.1\r',
  ],
]

const RAW_HEADERS: readonly string[] = [
  ...[
    'X: 1\r\n 2',
    'X: 1\r\n\t2',
    ' X: 1',
    'X : 1',
    ': 1',
    'X',
    'X\x00: 1',
    'X: \x00',
    'X: \x01',
    'X: a\rb',
    'X: a\nY: b',
    'X\xff: 1',
  ],
  ...[
    'Host: other',
    'Host:',
    'Host: a b',
    'Host: a,b',
    'Host: \xff',
    'Host: [::1]:80',
    'HOST: test',
    'Host: test:99999',
    'Host: @',
  ],
  ...[
    'Content-Length: 0',
    'Content-Length: 5, 5',
    'Content-Length: +5',
    'Content-Length: -1',
    'Content-Length: 0x5',
  ],
  ...[
    'Content-Length: 5 ',
    'Content-Length: 99999999999999999999',
    'Content-Length: 1.0',
    'Content-Length:',
    'Content-Length : 5',
  ],
  ...[
    'Content-Length: 5\r\nContent-Length: 6',
    'Content-Length: 5\r\nContent-Length: 5',
    'Content_Length: 5',
  ],
  ...[
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: chunked, gzip',
    'Transfer-Encoding: x',
  ],
  ...[
    'Transfer-Encoding: chunked, chunked',
    'Transfer-Encoding: xchunked',
    'Transfer-Encoding:\tchunked',
    'Transfer-Encoding : chunked',
  ],
  ...[
    'Transfer-Encoding: \x0bchunked',
    'Transfer-Encoding: Chunked',
    'Transfer-Encoding: identity',
    'Transfer-Encoding: "chunked"',
  ],
  ...[
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
    'Transfer-Encoding: chunked\r\nContent-Length: 3',
  ],
  ...[
    'Content-Length: 3\r\nTransfer-Encoding: chunked',
    'Content-Length: 3\r\nTransfer-Encoding : chunked',
    'Transfer-Encoding:',
  ],
  ...[
    'Connection: close',
    'Connection: keep-alive',
    'Connection: Upgrade\r\nUpgrade: websocket',
    'Connection: Upgrade\r\nUpgrade: h2c',
  ],
  ...[
    'Connection: content-length',
    'Connection: ,',
    'Expect: 100-continue',
    'Expect: 200-ok',
    'TE: chunked',
    'Trailer: Host',
  ],
  ...[
    'Proxy-Connection: close',
    'Keep-Alive: timeout=1',
    'HTTP2-Settings: AAA',
    'Upgrade-Insecure-Requests: 1',
    'If-None-Match: *',
  ],
  `X: ${'y'.repeat(7000)}`,
  `X: ${'y'.repeat(17_000)}`,
  `X: ${'y'.repeat(70_000)}`,
  Array.from({ length: 90 }, (_, n) => `x-${n}: ${n}`).join('\r\n'),
  Array.from({ length: 2500 }, (_, n) => `x-${n}: ${n}`).join('\r\n'),
  Array.from({ length: 5000 }, () => 'a:').join('\r\n'),
]

const RAW_BODIES: readonly string[] = [
  ...[
    '',
    'hello',
    '{}',
    '0\r\n\r\n',
    '2\r\n{}\r\n0\r\n\r\n',
    '2;a=b\r\n{}\r\n0\r\n\r\n',
    '2 ;a\r\n{}\r\n0\r\n\r\n',
    '5\r\nhel',
  ],
  ...[
    '-1\r\n\r\n',
    '0x2\r\n{}\r\n0\r\n\r\n',
    'g\r\n',
    '2\n{}\n0\n\n',
    '2\r\n{}0\r\n\r\n',
    'FFFFFFFFFFFFFFFF\r\n',
    '10000000000000000\r\n',
  ],
  ...[
    '00000000000000000000002\r\n{}\r\n0\r\n\r\n',
    '0\r\nHost: other\r\n\r\n',
    '0\r\nX: 1\r\n 2\r\n\r\n',
    '0\r\n',
    '\r\n',
  ],
  ...[
    `${'0'.repeat(20_000)}\r\n\r\n`,
    `2;${'a'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`,
    `0\r\n${'t: 1\r\n'.repeat(3000)}\r\n`,
  ],
  ...[
    HIDDEN,
    `0\r\n\r\n`,
    `3\r\nabc\r\n0\r\n\r\n`,
    `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`,
  ],
]

/** With HEAD only among valid requests: elsewhere it is not known which reply has no body. */
const METHODS = ['GET', 'GET', 'GET', 'POST', 'DELETE', 'OPTIONS']

/** A valid request, whose reply is known by its request id. */
const validRequest = (methods: readonly string[]): fc.Arbitrary<RawRequest> =>
  fc
    .record({
      method: fc.constantFrom(...methods),
      target: fc.constantFrom(...TARGETS),
      id: fc.integer({ min: 1, max: 1_000_000 }).map((number) => `raw-${number}`),
      encoding: fc.constantFrom('', 'accept-encoding: gzip\r\n', 'accept-encoding: br\r\n'),
    })
    .map(({ method, target, id, encoding }) => {
      const body =
        method === 'POST' ? 'content-type: application/json\r\ncontent-length: 2\r\n\r\n{}' : '\r\n'
      // What POST /nothing or POST /health answers is the matter here, not a row that it could create.
      const path = method === 'GET' || method === 'HEAD' ? target : '/health'
      return {
        bytes: `${method} ${path} HTTP/1.1\r\nhost: test\r\nx-request-id: ${id}\r\n${encoding}${body}`,
        method,
        id,
      }
    })

const hostileRequest: fc.Arbitrary<RawRequest> = fc
  .record({
    line: fc.oneof(
      {
        weight: 2,
        arbitrary: fc.constantFrom('GET /users/1 HTTP/1.1', 'POST /users HTTP/1.1', 'GET /health HTTP/1.1'),
      },
      { weight: 1, arbitrary: fc.constantFrom(...REQUEST_LINES) },
    ),
    host: fc.oneof(
      { weight: 5, arbitrary: fc.constant(['Host: test']) },
      { weight: 1, arbitrary: fc.constant<string[]>([]) },
    ),
    headers: fc.array(fc.constantFrom(...RAW_HEADERS), { maxLength: 3 }),
    body: fc.constantFrom(...RAW_BODIES),
    eol: fc.oneof(
      { weight: 12, arbitrary: fc.constant('\r\n') },
      { weight: 1, arbitrary: fc.constantFrom('\n', '\r', '\n\r') },
    ),
  })
  .map(({ line, host, headers, body, eol }) => ({
    bytes: `${[line, ...host, ...headers].join(eol)}${eol}${eol}${body}`,
    method: undefined,
    id: undefined,
  }))

/** Any bytes, such as those of another protocol. */
const noise: fc.Arbitrary<RawRequest> = fc
  .uint8Array({ minLength: 1, maxLength: 200 })
  .map((bytes) => ({ bytes: Buffer.from(bytes).toString('latin1'), method: undefined, id: undefined }))

export const conversation: fc.Arbitrary<RawConversation> = fc.record({
  requests: fc.oneof(
    {
      weight: 2,
      arbitrary: fc.array(validRequest([...METHODS, 'HEAD']), { minLength: 1, maxLength: 8, size: 'max' }),
    },
    { weight: 4, arbitrary: fc.tuple(hostileRequest) },
    {
      weight: 2,
      arbitrary: fc.array(fc.oneof(validRequest(METHODS), hostileRequest), {
        minLength: 1,
        maxLength: 4,
        size: 'max',
      }),
    },
    { weight: 1, arbitrary: fc.tuple(noise) },
  ),
  ending: fc.oneof(
    { weight: 12, arbitrary: fc.constant('patient' as const) },
    { weight: 3, arbitrary: fc.constantFrom('half-close' as const, 'unread' as const, 'leave' as const) },
  ),
  pieceBytes: fc.option(fc.integer({ min: 1, max: 200 }), { nil: undefined, freq: 4 }),
})

/** How long a client that does not read stays. */
const UNREAD_MS = 20

/** The most pieces, so that a long request is not sent byte by byte. */
const MOST_PIECES = 20

/** Ends each conversation with a patient client, unless bytes before it make the service close the connection. */
const LAST = { method: 'GET', id: 'the-last' }
const LAST_REQUEST = `GET /the-last-request HTTP/1.1\r\nhost: test\r\nx-request-id: ${LAST.id}\r\nconnection: close\r\n\r\n`

/** How long a patient client waits for more bytes before its FIN: an incomplete request is not answered. */
const GRACE_MS = 150

export function bytesOfConversation({ requests, ending }: RawConversation): string {
  return requests.map(({ bytes }) => bytes).join('') + (ending === 'patient' ? LAST_REQUEST : '')
}

/** What a client has received. */
export interface Received {
  /** latin1; empty when the client does not read. */
  readonly text: string
  /** The client has sent a FIN before the service did, which may cut the last reply. */
  readonly left: boolean
}

/**
 * Has the conversation.
 *
 * @throws FramingFault when the service does not close the connection after the client's FIN
 */
export async function converseRaw(
  { host, port }: Target,
  conversation: RawConversation,
  patience: Patience,
): Promise<Received> {
  const { ending, pieceBytes } = conversation
  const socket = connect({ host, port, allowHalfOpen: true })
  let text = ''
  let left = ending !== 'patient'
  socket.on('error', () => {})
  const closed = closeOf(socket)
  await connected(socket, patience)
  if (ending === 'patient' || ending === 'half-close') {
    socket.setEncoding('latin1').on('data', (part: string) => {
      text += part
    })
    socket.once('end', () => socket.end())
  } else socket.pause()
  await writeInPieces(socket, bytesOfConversation(conversation), pieceBytes)
  if (ending === 'half-close') socket.end()
  if (ending === 'patient') {
    socket.setTimeout(GRACE_MS, () => {
      left = true
      socket.setTimeout(0)
      socket.end()
    })
  }
  if (ending === 'unread') await Promise.race([closed, delay(UNREAD_MS)])
  if (ending === 'unread' || ending === 'leave') socket.destroy()
  const inTime = await Promise.race([
    closed.then(() => true),
    delay(patience.ms, { ref: false }).then(() => false),
  ])
  socket.destroy()
  if (!inTime) throw new FramingFault('the connection stays open after the FIN of the client')
  return { text, left }
}

function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()))
}

async function writeInPieces(socket: Socket, bytes: string, pieceBytes: number | undefined): Promise<void> {
  const size = Math.max(pieceBytes ?? bytes.length, Math.ceil(bytes.length / MOST_PIECES))
  for (let at = 0; at < bytes.length && socket.writable; at += size) {
    socket.write(bytes.slice(at, at + size), 'latin1')
    if (pieceBytes !== undefined) await nextTurn()
  }
}

/**
 * Reads all replies of a conversation: each is framed correctly, there are no more than requests, those of valid requests come in their
 * order, and no reply is to bytes inside a body.
 *
 * @throws FramingFault
 */
export function repliesTo({ requests, ending }: RawConversation, { text, left }: Received): Reply[] {
  const asked = ending === 'patient' ? [...requests, { ...LAST, bytes: LAST_REQUEST }] : requests
  const replies: Reply[] = []
  // Malformed bytes end the connection, and with it a reply in flight: a reply to them would be read as its rest.
  const mayBeCut = requests.length > 1 && requests.some(({ id }) => id === undefined)
  for (let at = 0; at < text.length; ) {
    const read = readReply(text, at, {
      method: asked[replies.length]?.method ?? 'GET',
      ended: !left && !mayBeCut,
    })
    if (read === undefined) break
    at = read.end
    if (read.reply.status < 200) continue
    replies.push(read.reply)
    if (read.reply.closes && at < text.length)
      throw new FramingFault('bytes after a reply that closes the connection')
  }
  checkIds(asked, replies, { all: !left })
  return replies
}

/** @param all no reply may be missing */
function checkIds(
  requests: readonly RawRequest[],
  replies: readonly Reply[],
  { all }: { all: boolean },
): void {
  const valid = requests.every(({ id }) => id !== undefined)
  if (valid && (all ? replies.length !== requests.length : replies.length > requests.length)) {
    throw new FramingFault(`${replies.length} replies to ${requests.length} valid requests`)
  }
  const hidesRequest = requests.every(({ bytes }) => !bytes.includes(HIDDEN) || hasBody(bytes))
  replies.forEach((reply, index) => {
    const id = headerOf(reply, 'x-request-id')
    if (id === SMUGGLED && hidesRequest) throw new FramingFault('a reply to bytes inside a body')
    if (valid && id !== requests[index]?.id)
      throw new FramingFault('replies are not in the order of the requests')
  })
}

/** Whether these bytes announce a body in any manner, so that what follows the head is no further request. */
function hasBody(bytes: string): boolean {
  const head = bytes.slice(0, bytes.indexOf(HIDDEN))
  return /^[\t ]*transfer-encoding/im.test(head) || /^[\t ]*content-length(?!: 0\r?$)/im.test(head)
}
