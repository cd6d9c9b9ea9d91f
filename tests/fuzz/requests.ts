import fc from 'fast-check'
import type { Operation, Parameter } from './openapi.ts'
import { bodyText, boundaryText, hostileText, toLatin1, validValue } from './values.ts'

/** One request, before what the run has learned is put into it. All text is latin1: one character for each byte. */
export interface FuzzRequest {
  /** Undefined for a path that no operation has. */
  readonly operation: Operation | undefined
  readonly method: string
  readonly target: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
  /** How the body is framed; `chunked` with the sizes of its chunks, in turn. */
  readonly framing: 'none' | 'length' | readonly number[]
}

/** Stands for the newest id of the collection in the path, and for `next` of its newest page. */
export const NEWEST = '@newest@'
export const NEXT_PAGE = '@next@'

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS', 'TRACE']

export const isSafe = ({ method }: { method: string }): boolean => SAFE_METHODS.includes(method)

/** How often an operation is tried relative to others: these cost many statements each. */
const COSTLY = ['/report', '/aggregate', '/services', '/metrics', '/ready']
const weightOf = ({ path }: Operation) => (COSTLY.includes(path) ? 1 : 8)

/** Requests for all operations and for paths that none has. */
export function requestOf(
  operations: readonly Operation[],
  tokens: { readonly valid: string; readonly others: readonly string[] },
): fc.Arbitrary<FuzzRequest> {
  const known = operations.map((operation) => ({
    weight: weightOf(operation),
    arbitrary: operationRequest(operation, tokens),
  }))
  return fc.oneof(...known, { weight: 4, arbitrary: strayRequest(tokens) })
}

/** One of several, which shrinks to the first: the usual one. */
const usually = <T>(...parts: { weight: number; arbitrary: fc.Arbitrary<T> }[]): fc.Arbitrary<T> =>
  fc.oneof({ withCrossShrink: true }, ...parts)

function operationRequest(operation: Operation, tokens: Tokens): fc.Arbitrary<FuzzRequest> {
  const method = usually(
    { weight: 20, arbitrary: fc.constant(operation.method) },
    { weight: 1, arbitrary: fc.constant(operation.method === 'GET' ? 'HEAD' : operation.method) },
    { weight: 1, arbitrary: fc.constantFrom('HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY') },
  )
  return fc
    .record({
      method,
      target: fc.tuple(pathOf(operation), queryOf(operation)).map(([path, query]) => path + query),
      headers: headersOf(operation, tokens),
      content: contentOf(operation),
    })
    .map(({ method, target, headers, content }) => ({
      operation,
      method,
      target,
      headers: [...headers, ...content.headers],
      body: content.body,
      framing: content.framing,
    }))
}

function strayRequest(tokens: Tokens): fc.Arbitrary<FuzzRequest> {
  const target = fc.oneof(
    fc.constantFrom(
      ...['/', '//', '/nothing', '/users/1/more', '/%ff', '/%00', '/..', '/%2e%2e/%2e%2e', '/users//1', '/;'],
      ...[
        '/docs',
        '/docs/',
        '/docs/static/start.js',
        '/docs/static/../../package.json',
        '/docs/static/%2e%2e',
      ],
      ...['/openapi.json', '/docs/static/favicon-32x32.png', '/docs/static/absent', '/.env', '/__proto__'],
      ...[
        '/users/constructor',
        '/USERS/1',
        '/users/1#x',
        '/users/1%23',
        '/users/%u0031',
        `/${'a'.repeat(9000)}`,
      ],
    ),
    fc.webPath().map(toLatin1),
  )
  const method = fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS')
  return fc
    .record({ method, target: target.map((path) => path || '/'), headers: headersOf(undefined, tokens) })
    .map((parts) => ({
      ...parts,
      operation: undefined,
      body: '',
      framing: parts.method === 'GET' ? 'none' : 'length',
    }))
}

/** The text of a parameter in a URL: mostly valid, with the unreserved spelling of each character. */
function parameterText({ name, schema, in: place }: Parameter): fc.Arbitrary<string> {
  const encoded = (value: unknown) => encodeURIComponent(String(value).toWellFormed())
  const valid = validValue(schema).map(encoded)
  // Values that come again: they find what an earlier request has created.
  const few = place === 'path' ? fc.sample(valid, { numRuns: 4, seed: 1 }) : []
  const learned = name === 'after' ? NEXT_PAGE : NEWEST
  return usually(
    { weight: 20, arbitrary: valid },
    ...few.map((value) => ({ weight: 2, arbitrary: fc.constant(value) })),
    { weight: name === 'id' || name === 'after' ? 4 : 0, arbitrary: fc.constant(learned) },
    { weight: 2, arbitrary: boundaryText(schema).map((text) => encoded(JSON.parse(text))) },
    { weight: 1, arbitrary: valid.map(otherSpelling) },
    { weight: 2, arbitrary: fc.constantFrom(...HOSTILE_PARAMETERS) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }).map(encoded) },
  )
}

/** Each character as a percent-encoded byte: the same text for a reader of URLs. */
const otherSpelling = (text: string) =>
  text.replace(/^[A-Za-z0-9]/, (first) => `%${first.charCodeAt(0).toString(16)}`)

const HOSTILE_PARAMETERS: readonly string[] = [
  ...[
    '',
    '0',
    '-1',
    '+1',
    '01',
    '1e3',
    '1.0',
    '0x10',
    '1_000',
    '%20',
    '%201',
    '1%20',
    '%00',
    '1%00',
    '%0a',
    '%0d%0a',
  ],
  ...[
    '%ff',
    '%c3%28',
    '%ed%a0%80',
    '%f4%90%80%80',
    '%',
    '%1',
    '%zz',
    '%C0%AF',
    '..',
    '.',
    '%2e%2e',
    '%2F',
    '%5C',
  ],
  ...[
    '2147483647',
    '2147483648',
    '4294967296',
    '9007199254740993',
    '9'.repeat(400),
    'NaN',
    'null',
    'undefined',
  ],
  ...[
    'true',
    'TRUE',
    '1',
    'on',
    '[]',
    '{}',
    '[object%20Object]',
    '__proto__',
    'constructor',
    '\xff',
    '\xc3\xbc',
  ],
  ...['%D9%A1', '%EF%BC%91', 'a'.repeat(3000), "1'--", '1;', '*', '@', ':', ',', '~', '!'],
]

function pathOf({ path, parameters }: Operation): fc.Arbitrary<string> {
  const inPath = parameters.filter((parameter) => parameter.in === 'path')
  const filled = fc.tuple(...inPath.map(parameterText)).map((values) => {
    let next = 0
    return path.replaceAll(/\{[^}]+\}/g, () => values[next++] ?? '')
  })
  return usually(
    { weight: 30, arbitrary: filled },
    {
      weight: 1,
      arbitrary: fc
        .tuple(filled, fc.constantFrom('/', '//', ';a=b', '%20', '.', '#x'))
        .map((both) => both.join('')),
    },
    { weight: 1, arbitrary: filled.map((text) => `http://other.example${text}`) },
  )
}

function queryOf({ parameters }: Operation): fc.Arbitrary<string> {
  const inQuery = parameters.filter((parameter) => parameter.in === 'query')
  const pairs = inQuery.map((parameter) =>
    fc.option(
      parameterText(parameter).map((text) => `${parameter.name}=${text}`),
      { nil: undefined, freq: parameter.required === true ? 20 : 2 },
    ),
  )
  const extra = fc.constantFrom(
    ...[
      'x=1',
      '__proto__=1',
      'constructor[prototype][x]=1',
      'limit[]=1',
      'limit=1',
      'after=',
      '=',
      '&&',
      '%ff=1',
      '?',
    ],
    ...[
      '__proto__[x]=1',
      'toString=1',
      `${'p=1&'.repeat(300)}`,
      'limit=5&limit=6',
      'LIMIT=1',
      'limit',
      '%6cimit=2',
    ],
  )
  const extras = usually(
    { weight: 12, arbitrary: fc.constant<string[]>([]) },
    { weight: 1, arbitrary: fc.array(extra, { minLength: 1, maxLength: 2 }) },
  )
  return fc.tuple(fc.tuple(...pairs), extras).map(([own, more]) => {
    const all = [...own.filter((pair) => pair !== undefined), ...more]
    return all.length === 0 ? '' : `?${all.join('&')}`
  })
}

interface Tokens {
  readonly valid: string
  readonly others: readonly string[]
}

type Header = readonly [name: string, value: string]

/** Headers that may be on any request. None of them frames a body or ends the connection in an unusual manner. */
const EXTRA_HEADERS: readonly (readonly Header[])[] = [
  [['accept-encoding', 'gzip']],
  [['Accept-Encoding', 'br, gzip;q=0.5']],
  [['accept-encoding', 'zstd, br, gzip, deflate']],
  [['accept-encoding', '*;q=0']],
  [
    ['accept-encoding', 'gzip'],
    ['accept-encoding', 'br'],
  ],
  [['accept-encoding', '']],
  [['accept', 'text/html']],
  [['accept', 'application/openmetrics-text; version=1.0.0']],
  [['accept', 'application/json;q=0']],
  [['accept', '\xff']],
  [['x-request-id', 'fuzz-1.2_3']],
  [['x-request-id', 'not safe']],
  [
    ['x-request-id', 'a'],
    ['x-request-id', 'b'],
  ],
  [['x-request-id', 'x'.repeat(200)]],
  [['if-none-match', '*']],
  [['if-modified-since', 'Sun, 29 Nov 2026 00:00:00 GMT']],
  [['if-match', '"a"']],
  [['range', 'bytes=0-3']],
  [['connection', 'close']],
  [['connection', 'keep-alive, te']],
  [['te', 'trailers']],
  [['cookie', 'a=b; c="d']],
  [['accept-version', '1.0.0']],
  [['x-forwarded-for', '192.0.2.1, nonsense']],
  [['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01']],
  [['traceparent', 'nonsense']],
  [['x-http-method-override', 'DELETE']],
  [
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ],
  [['expect', '100-continue']],
  [['expect', 'something-else']],
  [['idempotency-key', '']],
  [['idempotency-key', 'a b']],
  [['idempotency-key', 'k'.repeat(256)]],
  [
    ['idempotency-key', 'a'],
    ['idempotency-key', 'b'],
  ],
  [['x-long', 'y'.repeat(3000)]],
]

function headersOf(operation: Operation | undefined, { valid, others }: Tokens): fc.Arbitrary<Header[]> {
  const authorization = usually(
    { weight: 60, arbitrary: fc.constant<Header[]>([['authorization', `Bearer ${valid}`]]) },
    ...others.map((value) => ({ weight: 1, arbitrary: fc.constant<Header[]>([['authorization', value]]) })),
    { weight: 4, arbitrary: fc.constant<Header[]>([]) },
  )
  const host = fc.constant<Header>(['host', 'test'])
  const extras = usually(
    { weight: 3, arbitrary: fc.constant<Header[]>([]) },
    {
      weight: 2,
      arbitrary: fc
        .array(fc.constantFrom(...EXTRA_HEADERS), { minLength: 1, maxLength: 3 })
        .map((lists) => lists.flat()),
    },
  )
  const keyed = operation?.parameters.some(({ name }) => name === 'idempotency-key')
  const key = fc.option(
    fc.integer({ min: 1, max: 500 }).map((number): Header => ['idempotency-key', `key-${number}`]),
    { nil: undefined, freq: 2 },
  )
  return fc
    .tuple(host, authorization, extras, keyed ? key : fc.constant(undefined))
    .map(([first, token, more, keep]) => [first, ...token, ...more, ...(keep === undefined ? [] : [keep])])
}

interface BodyContent {
  readonly headers: Header[]
  readonly body: string
  readonly framing: FuzzRequest['framing']
}

const NO_BODY: BodyContent = { headers: [], body: '', framing: 'none' }

const MEDIA_TYPES: readonly string[] = [
  ...[
    'application/json; charset=utf-8',
    'application/JSON',
    'application/json;charset="utf-8"',
    'application/json;;',
  ],
  ...['application/json; charset=latin1', 'application/json; charset=utf-16', 'application/json, text/plain'],
  ...[
    'text/plain',
    'text/json',
    'application/problem+json',
    'application/xml',
    'multipart/form-data; boundary=x',
  ],
  ...[
    'application/x-www-form-urlencoded',
    '*/*',
    '',
    'json',
    'application/',
    '/',
    'application/json\t',
    '\xff',
  ],
]

function contentOf({ body, method }: Operation): fc.Arbitrary<BodyContent> {
  const chunked = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 })
  const framing = usually<BodyContent['framing']>(
    { weight: 5, arbitrary: fc.constant('length' as const) },
    { weight: 1, arbitrary: chunked },
  )
  if (body === undefined) {
    const text = fc.oneof(fc.constantFrom('{}', '', 'hello', '{"a":1}'), hostileText)
    const some = fc
      .record({ text, framing, type: fc.constantFrom('application/json', ...MEDIA_TYPES) })
      .map(({ text, framing, type }) => ({
        headers: [['content-type', type]] as Header[],
        body: text,
        framing,
      }))
    return usually(
      {
        weight: 15,
        arbitrary: fc.constant(method === 'DELETE' ? { ...NO_BODY, framing: 'length' } : NO_BODY),
      },
      { weight: 1, arbitrary: some },
    )
  }
  const type = usually(
    { weight: 20, arbitrary: fc.constant<string | undefined>('application/json') },
    { weight: 2, arbitrary: fc.constantFrom(...MEDIA_TYPES) },
    { weight: 1, arbitrary: fc.constant(undefined) },
  )
  const coding = usually(
    { weight: 30, arbitrary: fc.constant(undefined) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('identity', 'gzip', 'br', 'deflate', 'x', '', 'gzip, gzip', 'IDENTITY'),
    },
  )
  const text = usually(
    { weight: 60, arbitrary: bodyText(body) },
    { weight: 1, arbitrary: fc.constant(`{"name":"${'x'.repeat(70_000)}"}`) },
  )
  return fc.record({ type, coding, text, framing }).map((parts) => ({
    headers: [
      ...(parts.type === undefined ? [] : [['content-type', parts.type] as const]),
      ...(parts.coding === undefined ? [] : [['content-encoding', parts.coding] as const]),
    ],
    body: parts.text,
    framing: parts.framing,
  }))
}

/** The bytes of a request, as latin1. */
export function bytesOf({ method, target, headers, body, framing }: FuzzRequest): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}`)
  if (framing === 'length') lines.push(`content-length: ${body.length}`)
  else if (framing !== 'none') lines.push('transfer-encoding: chunked')
  const head = `${[`${method} ${target} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`
  if (framing === 'none') return head
  return head + (framing === 'length' ? body : chunksOf(body, framing))
}

function chunksOf(body: string, sizes: readonly number[]): string {
  let chunks = ''
  for (let at = 0, turn = 0; at < body.length; turn++) {
    // A large body in few chunks.
    const size = (sizes[turn % sizes.length] ?? 1) * (body.length > 1000 ? 1000 : 1)
    const chunk = body.slice(at, at + size)
    chunks += `${chunk.length.toString(16)}\r\n${chunk}\r\n`
    at += size
  }
  return `${chunks}0\r\n\r\n`
}
