import type { FieldError } from '@reference/errors'
import t from 'tap'
import { MAX_DEPTH } from './json-body.ts'
import { MAX_FIELD_ERRORS } from './problems.ts'
import { testServer } from './testing/test-server.ts'

async function fields(response: Response): Promise<string[]> {
  const { errors = [] } = (await response.json()) as { errors?: FieldError[] }
  return errors.map(({ field }) => field)
}

t.test('an id in a path is decimal digits from 1 to 2147483647', async (t) => {
  const { get } = await testServer(t)
  for (const id of ['1', '42', '2147483647']) {
    const response = await get(`/users/${id}`)
    t.equal(response.status, 200)
    t.same(await response.json(), { id: Number(id) }, 'it reaches the handler as a number')
  }
  const wrong = [
    '1e3',
    '01',
    '+1',
    '-1',
    '0',
    '2147483648',
    '99999999999999999999',
    '%00',
    '1.0',
    '1%20',
    '%201',
    '',
  ]
  for (const id of [...wrong, 'abc', '0x1', 'null', '%D9%A1', '1'.repeat(5000)]) {
    const response = await get(`/users/${id}`)
    t.equal(response.status, 400, `/users/${id.slice(0, 30)}`)
    t.match(response.headers.get('content-type'), /^application\/problem\+json$/)
    t.same(await fields(response), ['id'])
  }
})

t.test('an unknown, repeated or malformed query parameter is named', async (t) => {
  const { get } = await testServer(t)
  t.same(await (await get('/users?limit=7')).json(), { limit: 7 })
  t.same(await (await get('/users')).json(), { limit: 50 }, 'the default')
  const cases: [string, string[]][] = [
    ['?limit=0', ['limit']],
    ['?limit=501', ['limit']],
    ['?limit=1e1', ['limit']],
    ['?limit=%2B1', ['limit']],
    ['?limit=', ['limit']],
    ['?limit=1&limit=2', ['limit']],
    ['?after=%00', ['after']],
    ['?nope=1', ['nope']],
    ['?__proto__=1', ['__proto__']],
    ['?limit=x&nope=1', ['limit', 'nope']],
  ]
  for (const [query, expected] of cases) {
    const response = await get(`/users${query}`)
    t.equal(response.status, 400, query)
    t.same((await fields(response)).sort(), expected)
  }
  const response = await get('/users/1?x=1')
  t.equal(response.status, 400, 'a call without a query schema accepts no parameter')
  t.same(await fields(response), ['x'])
})

t.test('a boolean in a query is true or false', async (t) => {
  const { get } = await testServer(t)
  t.same(await (await get('/flag?partial=true')).json(), { partial: true })
  t.same(await (await get('/flag?partial=false')).json(), { partial: false })
  for (const value of ['1', 'TRUE', 'yes', ''])
    t.equal((await get(`/flag?partial=${value}`)).status, 400, value)
})

t.test('a text in a path must not contain U+0000', async (t) => {
  const { get } = await testServer(t)
  t.same(await (await get('/texts/a%20b')).json(), { key: 'a b' })
  t.same(await fields(await get('/texts/a%00b')), ['key'])
})

t.test('a body is never coerced, and each fault is named', async (t) => {
  const { post } = await testServer(t)
  t.equal((await post('/users', '{"name":"a","age":1}')).status, 201)
  const cases: [string, string[]][] = [
    ['{"name":1}', ['name']],
    ['{"name":"a","age":"1"}', ['age']],
    ['{"name":"a","age":true}', ['age']],
    ['{"name":"a","age":1.5}', ['age']],
    ['{"name":"a","age":null}', ['age']],
    ['{}', ['name']],
    ['{"name":"","age":"x","z":1}', ['age', 'name', 'z']],
    ['{"name":"a","z":1}', ['z']],
    ['[]', ['body']],
    ['null', ['body']],
    ['"a"', ['body']],
  ]
  for (const [body, expected] of cases) {
    const response = await post('/users', body)
    t.equal(response.status, 400, body)
    t.same((await fields(response)).sort(), expected)
  }
})

t.test('a body with a thousand faults is answered with the first twenty', async (t) => {
  const { post } = await testServer(t)
  const body = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`field${index}`, 1]))
  const response = await post('/users', JSON.stringify(body))
  t.equal(response.status, 400)
  t.equal((await fields(response)).length, MAX_FIELD_ERRORS)
})

t.test('`__proto__` and other hostile values in a body are refused and named', async (t) => {
  const { post } = await testServer(t)
  const cases: [string, string][] = [
    ['{"__proto__":{"admin":true}}', '__proto__'],
    ['{"a":{"\\u005f_proto__":1}}', 'a.__proto__'],
    ['{"a":[{"__proto__":1}]}', 'a.0.__proto__'],
    ['{"a":"x\\u0000y"}', 'a'],
    ['{"a":[1,{"b":"\\u0000"}]}', 'a.1.b'],
    ['{"a\\u0000":1}', 'a\0'],
    ['{"a":"\\ud800"}', 'a'],
    ['{"\\udfff":1}', '\ufffd'],
    ['{"a":1e400}', 'a'],
    ['{"a":[-1e999]}', 'a.0'],
  ]
  for (const [body, expected] of cases) {
    const response = await post('/any', body)
    t.equal(response.status, 400, body)
    t.same(await fields(response), [expected])
  }
  for (const body of [
    '{"constructor":{"prototype":1}}',
    '{"prototype":{"constructor":{}}}',
    '{"a":"\\ud83d\\ude00"}',
  ]) {
    const response = await post('/any', body)
    t.equal(response.status, 200, 'values that only resemble them')
    t.same(await response.json(), JSON.parse(body))
  }
})

t.test('a body that nests too deep is refused and crashes nothing', async (t) => {
  const { post, get } = await testServer(t)
  const nested = (levels: number) => `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`
  const deepest = await post('/any', nested(MAX_DEPTH - 1))
  t.equal(deepest.status, 200)
  const value = await deepest.json()
  t.equal(JSON.stringify(value), nested(MAX_DEPTH - 1), 'it passes validation and serialisation')
  t.equal(JSON.stringify(structuredClone(value)), nested(MAX_DEPTH - 1), 'it can be sent to a worker thread')
  const objects = `${'{"a":'.repeat(MAX_DEPTH)}"\\u0000"${'}'.repeat(MAX_DEPTH)}`
  t.same(await fields(await post('/any', objects)), ['a.a.a.a.a.a.a.a.…'], 'a fault at the bottom is named')
  for (const levels of [MAX_DEPTH, 10_000, 500_000])
    t.equal((await post('/any', nested(levels))).status, 400, String(levels))
  t.equal((await post('/any', '['.repeat(1024 * 1024))).status, 400, 'a mebibyte of [')
  t.equal((await get('/health')).status, 200)
})

t.test('malformed JSON is 400, another content type 415', async (t) => {
  const { post, url } = await testServer(t)
  for (const body of ['{', '', ' ', '{"name":"a"}x', "{'name':1}", '{"name":NaN}', '\ufeff{}']) {
    t.equal((await post('/users', body)).status, 400, JSON.stringify(body))
  }
  t.equal((await post('/users', Buffer.from([0x22, 0xff, 0x22]))).status, 400, 'not UTF-8')
  const missing = await fetch(`${url}/users`, { method: 'POST' })
  t.equal(missing.status, 400, 'no body at all')
  t.same(await fields(missing), ['body'])
  for (const type of ['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'nonsense']) {
    const response = await post('/users', '{"name":"a"}', { 'content-type': type })
    t.equal(response.status, 415, type)
    t.equal(response.headers.get('content-type'), 'application/problem+json')
  }
  t.equal(
    (await post('/users', '{"name":"a"}', { 'content-type': 'application/json; charset=utf-8' })).status,
    201,
  )
  t.equal(
    (await post('/users', '{"name":"a"}', { 'content-type': 'application/json; charset=latin1' })).status,
    415,
  )
  t.equal((await post('/users', '{"name":"a"}', { 'content-encoding': 'gzip' })).status, 415)
})

t.test('a call without a body may have the content type JSON', async (t) => {
  const { url } = await testServer(t)
  const headers = { 'content-type': 'application/json' }
  t.equal((await fetch(`${url}/users/1`, { method: 'DELETE', headers })).status, 204)
})

t.test('a body over the limit is 413, and the reply reaches the client', async (t) => {
  const { post, raw } = await testServer(t, { bodyLimitBytes: 1000 })
  for (const size of [1001, 300_000, 5_000_000]) {
    const response = await post('/any', `{"a":"${'x'.repeat(size)}"}`)
    t.equal(response.status, 413, String(size))
    t.equal(((await response.json()) as { code: string }).code, 'BODY_TOO_LARGE')
  }
  t.equal((await post('/any', `{"a":"${'x'.repeat(900)}"}`)).status, 200)
  // Without `close` the service would wait for the rest of the body, up to its time limit for a request.
  const chunked = `POST /any HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`
  t.match(
    await raw(`${chunked}5dc\r\n${'x'.repeat(1500)}\r\n`),
    /^HTTP\/1.1 413 /,
    'received bytes are counted, not only the declared length',
  )
})
