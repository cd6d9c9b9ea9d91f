/** A reply as it was on the wire. */
export interface Reply {
  readonly status: number
  /** By name in lower case; a header that comes more than once has several values. */
  readonly headers: ReadonlyMap<string, readonly string[]>
  /** Without the framing of chunks; still encoded by `content-encoding`. */
  readonly body: Buffer
  /** The server announced that it closes the connection, or the connection ended the body. */
  readonly closes: boolean
}

/** Bytes that are no correct reply. */
export class FramingFault extends Error {}

/** The first value of a header. */
export const headerOf = ({ headers }: Reply, name: string): string | undefined => headers.get(name)?.[0]

const STATUS_LINE = /^HTTP\/1\.1 ([1-5]\d\d) [\t\x20-\x7e\x80-\xff]*$/
const HEADER_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)$/

/** Headers that must not come twice. */
const SINGLE = [
  'content-length',
  'transfer-encoding',
  'content-type',
  'date',
  'x-request-id',
  'location',
  'retry-after',
]

/**
 * Reads one reply by RFC 9112, strictly: what a lenient client would repair is a fault.
 *
 * @param received latin1 text
 * @param start where the reply begins
 * @param request.method decides whether the reply has a body
 * @param request.ended the server has closed its side, so that no more bytes follow
 * @returns the reply and where it ends; undefined while it is not complete
 * @throws FramingFault
 */
export function readReply(
  received: string,
  start: number,
  { method, ended }: { readonly method: string; readonly ended: boolean },
): { readonly reply: Reply; readonly end: number } | undefined {
  const headEnd = received.indexOf('\r\n\r\n', start)
  if (headEnd === -1) {
    if (!ended) return undefined
    throw new FramingFault(
      `the connection ended inside the head of a reply: ${excerpt(received.slice(start))}`,
    )
  }
  const [statusLine = '', ...lines] = received.slice(start, headEnd).split('\r\n')
  const status = Number(STATUS_LINE.exec(statusLine)?.[1])
  if (Number.isNaN(status)) throw new FramingFault(`not a status line: ${excerpt(statusLine)}`)
  const headers = readHeaders(lines)
  const from = headEnd + 4
  const framing = framingOf(headers, { status, method })
  const closes = /(?:^|,)\s*close\s*(?:,|$)/i.test((headers.get('connection') ?? []).join())
  if (framing === 'none') return { reply: { status, headers, body: Buffer.alloc(0), closes }, end: from }
  if (framing === 'chunked') {
    const chunks = readChunks(received, from)
    if (chunks !== undefined)
      return { reply: { status, headers, body: chunks.body, closes }, end: chunks.end }
  } else if (framing === 'until-close') {
    if (!closes) throw new FramingFault('a body without length on a connection that stays open')
    if (ended)
      return { reply: { status, headers, body: bytes(received.slice(from)), closes }, end: received.length }
  } else if (received.length >= from + framing) {
    return {
      reply: { status, headers, body: bytes(received.slice(from, from + framing)), closes },
      end: from + framing,
    }
  }
  if (ended) throw new FramingFault(`the connection ended inside the body of a reply with status ${status}`)
  return undefined
}

const bytes = (text: string) => Buffer.from(text, 'latin1')

export const excerpt = (text: string): string =>
  JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text)

function readHeaders(lines: readonly string[]): Map<string, string[]> {
  const headers = new Map<string, string[]>()
  for (const line of lines) {
    const [, name, value = ''] = HEADER_LINE.exec(line) ?? []
    if (name === undefined) throw new FramingFault(`not a header line: ${excerpt(line)}`)
    const key = name.toLowerCase()
    const values = headers.get(key)
    if (values === undefined) headers.set(key, [value.trim()])
    else if (SINGLE.includes(key)) throw new FramingFault(`more than one header ${key}`)
    else values.push(value.trim())
  }
  return headers
}

/** How the body of a reply is framed (RFC 9112, 6.3); a number is its length. */
function framingOf(
  headers: ReadonlyMap<string, readonly string[]>,
  { status, method }: { readonly status: number; readonly method: string },
): 'none' | 'chunked' | 'until-close' | number {
  const length = headers.get('content-length')?.[0]
  const coding = headers.get('transfer-encoding')?.[0]
  if (length !== undefined && coding !== undefined)
    throw new FramingFault('content-length and transfer-encoding')
  if (length !== undefined && !/^\d{1,15}$/.test(length)) throw new FramingFault(`content-length: ${length}`)
  if (coding !== undefined && coding !== 'chunked') throw new FramingFault(`transfer-encoding: ${coding}`)
  if (status < 200 || status === 204) {
    if (length !== undefined || coding !== undefined)
      throw new FramingFault(`a ${status} with the framing of a body`)
    return 'none'
  }
  if (method === 'HEAD' || status === 304) return 'none'
  if (coding !== undefined) return 'chunked'
  return length === undefined ? 'until-close' : Number(length)
}

function readChunks(received: string, start: number): { body: Buffer; end: number } | undefined {
  let at = start
  let body = ''
  for (;;) {
    const lineEnd = received.indexOf('\r\n', at)
    if (lineEnd === -1) return undefined
    const line = received.slice(at, lineEnd)
    if (!/^[0-9a-f]{1,8}$/i.test(line)) throw new FramingFault(`not the size of a chunk: ${excerpt(line)}`)
    const size = Number.parseInt(line, 16)
    const end = lineEnd + 2 + size
    if (received.length < end + 2) return undefined
    if (received.slice(end, end + 2) !== '\r\n') throw new FramingFault('a chunk without its end of line')
    if (size === 0) return { body: bytes(body), end: end + 2 }
    body += received.slice(lineEnd + 2, end)
    at = end + 2
  }
}
