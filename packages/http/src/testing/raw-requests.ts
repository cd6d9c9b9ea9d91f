import { connect } from 'node:net'

/** Requests of one connection as bytes (latin1), sent at once or each after the reply to the one before it. */
export interface Conversation {
  readonly requests: readonly string[]
  readonly pipelined: boolean
}

/**
 * A random conversation about these paths: mostly plain requests, each with some chance of another method, version, spelling of
 * the path, set of headers, or body.
 *
 * @param methods besides GET
 */
export function randomConversation(
  random: () => number,
  paths: readonly string[],
  methods: readonly string[] = METHODS,
): Conversation {
  const requests = Array.from({ length: 1 + Math.floor(random() * 4) }, () =>
    randomRequest(random, pick(random, paths), methods),
  )
  // After an upgrade that the server ignores, Node drops bytes that have arrived, and does not report malformed ones.
  const upgrade = requests.find((request) => request.includes('Connection: Upgrade'))
  if (upgrade !== undefined) return { requests: [upgrade], pipelined: false }
  return { requests, pipelined: random() < 0.3 }
}

const pick = <T>(random: () => number, values: readonly T[]): T =>
  values[Math.floor(random() * values.length)] as T

const METHODS = ['HEAD', 'POST', 'OPTIONS', 'PUT', 'DELETE', 'PATCH', 'TRACE']

/** Lines of a head without the end of line; a whole line each, or several. */
const HEADERS: readonly (readonly string[])[] = [
  ['Connection: keep-alive'],
  ['connection: close'],
  ['Connection: Close'],
  ['Connection: keep-alive, TE'],
  ['Connection: Upgrade', 'Upgrade: websocket'],
  ['Upgrade: h2c'],
  ['Accept-Encoding: gzip'],
  ['accept-encoding: br;q=1.0, gzip;q=0.5'],
  ['ACCEPT-ENCODING: zstd, br, gzip, deflate'],
  ['Accept-Encoding: identity'],
  ['Accept-Encoding: gzip', 'Accept-Encoding: br'],
  ['Accept-Encoding: *;q=0'],
  ['Accept-Encoding:'],
  ['X-Request-Id: client-1'],
  ['x-request-id: client-1', 'x-request-id: client-2'],
  ['x-request-id: not safe'],
  [`x-request-id: ${'x'.repeat(129)}`],
  ['x-request-id:'],
  ['If-None-Match: *'],
  ['if-none-match: "a"'],
  ['If-Modified-Since: Sun, 29 Nov 2026 00:00:00 GMT'],
  ['Range: bytes=0-3'],
  ['Expect: 100-continue'],
  ['Expect: something-else'],
  ['Accept: text/html'],
  ['Accept: application/json;q=0'],
  ['Accept-Version: 1.0.0'],
  ['Authorization: Bearer nonsense'],
  ['Cookie: a=b; c=d'],
  ['traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  ['X-Forwarded-For: 192.0.2.1, 192.0.2.2'],
  ['X-HTTP-Method-Override: DELETE'],
  ['TE: trailers'],
  ['Content-Type: application/json'],
  ['Cache-Control: no-cache'],
  [`X-Long: ${'y'.repeat(3000)}`],
  Array.from({ length: 60 }, (_, n) => `x-many-${n}: ${n}`),
]

const BODIES: readonly (readonly [headers: readonly string[], body: string])[] = [
  [['Content-Length: 0'], ''],
  [['content-length: 2'], '{}'],
  [['Content-Length: 5'], 'hello'],
  [['Content-Length: 2', 'Content-Type: application/json'], '{}'],
  [['Transfer-Encoding: chunked'], '0\r\n\r\n'],
  [['transfer-encoding: chunked', 'Content-Type: application/json'], '2\r\n{}\r\n0\r\n\r\n'],
]

const HOSTS: readonly (readonly string[])[] = [
  [],
  ['Host: a', 'Host: b'],
  ['HOST: a'],
  ['hOsT: a'],
  ['host:'],
  ['Host: a', 'host: a'],
]

/** Other spellings of a path, most of which lead to another reply. */
const SPELLINGS: readonly ((path: string) => string)[] = [
  (path) => `${path}/`,
  (path) => `/${path}`,
  (path) => path.toUpperCase(),
  (path) => `${path}?`,
  (path) => `${path}?x=1`,
  (path) => `${path}&limit=1`,
  (path) => `${path}#fragment`,
  (path) => `${path};x=1`,
  (path) => `${path}%00`,
  (path) => `${path}%20`,
  (path) => `${path}\xff`,
  (path) => `${path}.0`,
  (path) => `${path}0000000000`,
  (path) => `${path}/..`,
  (path) => `http://other.example${path}`,
  (path) => path.replace(/\d/, (digit) => `%3${digit}`),
  (path) => path.replace(/\d/, '0$&'),
  (path) => path.replace(/\d/, '+$&'),
  (path) => path.replace(/\d/, '-$&'),
  (path) => path.replace(/\d/, '$&e0'),
  (path) => path.replace(/\d+/, '2147483647'),
  (path) => path.replace(/\d+/, '2147483648'),
  (path) => path.replace(/\d+/, '0'),
  (path) => path.replace(/\d+/, '%ff'),
  (path) => path.replace(/[a-z]/, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  (path) => path.replace('/', '/./'),
  (path) => `${path}${'9'.repeat(3000)}`,
  (path) => path.slice(0, -1),
  () => '*',
]

function randomRequest(random: () => number, path: string, methods: readonly string[]): string {
  const method = random() < 0.85 ? 'GET' : pick(random, methods)
  const target = random() < 0.7 ? path : pick(random, SPELLINGS)(path)
  const version = random() < 0.9 ? 'HTTP/1.1' : 'HTTP/1.0'
  const lines = random() < 0.9 ? ['Host: test'] : [...pick(random, HOSTS)]
  const extras = random() < 0.4 ? 0 : Math.ceil(random() * 3)
  for (let count = 0; count < extras; count++) lines.push(...pick(random, HEADERS))
  const [bodyLines, body] = random() < 0.9 ? [[], ''] : pick(random, BODIES)
  const head = [`${method} ${target} ${version}`, ...lines, ...bodyLines]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}

const LAST_REQUEST = 'GET /the-last-request HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n'

/** Has the conversation, ends it with a request for a path that does not exist, and resolves with all bytes received (latin1). */
export function converse(port: number, { requests, pipelined }: Conversation): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const waiting = [...requests, LAST_REQUEST]
  const socket = connect(port, '127.0.0.1')
  socket.setTimeout(10_000, () => socket.destroy(new Error(`no reply to ${JSON.stringify(requests)}`)))
  let received = ''
  let read = 0
  let request = ''
  const send = (text: string) => socket.write(text, 'latin1')
  const sendNext = () => {
    request = waiting.shift() ?? ''
    if (request !== '') send(request)
  }
  socket.setEncoding('latin1').on('data', (bytes: string) => {
    received += bytes
    const end = pipelined ? undefined : endOfReply(received, read, request)
    if (end === undefined) return
    read = end
    sendNext()
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error)
  })
  socket.on('close', () => resolve(received))
  if (pipelined) send(waiting.join(''))
  else sendNext()
  return promise
}

/** Where the reply that begins at `start` ends; undefined while it is not complete. */
function endOfReply(received: string, start: number, request: string): number | undefined {
  const end = received.indexOf('\r\n\r\n', start)
  if (end === -1) return undefined
  const head = received.slice(start, end)
  const body = end + 4
  if (/^HTTP\/1\.1 1\d\d /.test(head)) return endOfReply(received, body, request)
  if (request.startsWith('HEAD ') || /^HTTP\/1\.1 (?:204|304) /.test(head)) return body
  const length = /^content-length: (\d+)/im.exec(head)?.[1]
  const complete = body + Number(length ?? 0)
  return received.length < complete ? undefined : complete
}

/** Replaces what differs between two servers in equal replies: the date, and ids that the server made. */
export function withoutVariables(replies: string): string {
  return replies
    .replaceAll(/^Date: .*\r$/gm, 'Date: …\r')
    .replaceAll(/\b[0-9a-f]{12}-[0-9a-z]+\b/g, (id) => '#'.repeat(id.length))
}
