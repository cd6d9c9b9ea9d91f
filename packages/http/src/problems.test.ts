import { setImmediate as nextTurn } from 'node:timers/promises'
import { delay } from '@reference/async'
import { AppError } from '@reference/errors'
import type { FastifyReply } from 'fastify'
import t from 'tap'
import type { Problem } from './problems.ts'
import { exampleRoutes, testServer } from './testing/test-server.ts'

const body = async (response: Response) => (await response.json()) as Problem

t.test('a problem has the members of RFC 9457, a code and the request id', async (t) => {
  const { get } = await testServer(t)
  const response = await get('/users/0?a=secret')
  t.equal(response.headers.get('content-type'), 'application/problem+json')
  t.equal(response.headers.get('cache-control'), 'no-store')
  t.match(await body(response), {
    type: 'about:blank',
    title: 'Bad Request',
    status: 400,
    detail: String,
    instance: '/users/0',
    code: 'VALIDATION',
    requestId: response.headers.get('x-request-id'),
    errors: [{ field: String, message: String }],
  })
})

t.test('an unknown path is 404; another method on a known path is 405 with allow', async (t) => {
  const { get, url } = await testServer(t)
  const unknown = await get('/nope')
  t.equal(unknown.status, 404)
  t.match(await body(unknown), { code: 'NOT_FOUND', instance: '/nope' })
  const response = await fetch(`${url}/users/7`, { method: 'PUT' })
  t.equal(response.status, 405)
  t.equal(response.headers.get('allow'), 'DELETE, GET, HEAD')
  t.equal((await body(response)).code, 'METHOD_NOT_ALLOWED')
})

t.test('a malformed URL is answered with a problem', async (t) => {
  const { get, raw } = await testServer(t)
  for (const path of ['/%ff', '/users/%ff', '/users/%zz', '/%c0%80']) {
    const response = await get(path)
    t.equal(response.status, 400, path)
    t.equal(response.headers.get('content-type'), 'application/problem+json')
    t.match(await body(response), { code: 'MALFORMED_URL', requestId: response.headers.get('x-request-id') })
  }
  for (const target of ['*', '*/users/1', 'ftp://x/']) {
    const answer = await raw(`GET ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
    t.match(answer, /^HTTP\/1.1 400 .*"MALFORMED_URL"/s, target)
  }
  for (const target of ['//', '/\\', 'http://x/users/0', '/users/0#a']) {
    const answer = await raw(`GET ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
    t.match(answer, /^HTTP\/1.1 40\d .*application\/problem\+json/s, target)
  }
})

t.test('bytes that are not HTTP are answered with a problem', async (t) => {
  const { raw } = await testServer(t)
  const malformed = await raw('NONSENSE\r\n\r\n')
  t.match(malformed, /^HTTP\/1.1 400 .*application\/problem\+json.*"code":"MALFORMED_HTTP"/s)
  const overflow = await raw(`GET /health HTTP/1.1\r\nhost: x\r\nx-long: ${'a'.repeat(20_000)}\r\n\r\n`)
  t.match(overflow, /^HTTP\/1.1 431 .*application\/problem\+json.*"code":"HEADERS_TOO_LARGE"/s)
  const long = await raw(`GET /${'a'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`)
  t.match(long, /^HTTP\/1.1 431 .*application\/problem\+json/s)
})

t.test('the refusal of a malformed HEAD has no body', async (t) => {
  const { raw } = await testServer(t)
  for (const head of ['HEAD /ü HTTP/1.1', 'HEAD /users/1 HTTP/1.1\r\nhost : x', 'HEAD /users/1 HTTP/3']) {
    t.match(await raw(`${head}\r\n\r\n`), /^HTTP\/1.1 400 .*content-length: [1-9]\d*\r\n.*\r\n\r\n$/s, head)
  }
})

t.test('bytes after the last request of a connection do not take its reply away', async (t) => {
  const { raw } = await testServer(t, {}, (app) => {
    app.get('/waits', async () => {
      // The parser refuses the further bytes in this turn.
      await nextTurn()
      return { done: true }
    })
  })
  for (const [head, headers] of [
    ['GET /waits HTTP/1.0', ''],
    ['GET /waits HTTP/1.1', 'host: x\r\nconnection: close\r\n'],
  ] as const) {
    const answer = await raw(`${head}\r\n${headers}\r\nGET /users/1 HTTP/1.1\r\nhost: x\r\n\r\n`)
    t.match(answer, /^HTTP\/1.1 200 .*\{"done":true\}$/s, head)
  }
})

t.test('a missing or repeated Host and an unknown expectation are answered with a problem', async (t) => {
  const { raw } = await testServer(t)
  const ask = (version: string, headers: string) =>
    raw(`GET /users/1 HTTP/${version}\r\n${headers}connection: close\r\n\r\n`)
  const cases = [
    ['1.1', '', 400, 'HOST_MISSING'],
    ['1.1', 'Host: a\r\nHOST: a\r\n', 400, 'HOST_REPEATED'],
    ['1.0', 'host: a\r\nhost: b\r\n', 400, 'HOST_REPEATED'],
    ['1.1', 'host: a\r\nexpect: foo\r\n', 417, 'EXPECTATION_FAILED'],
  ] as const
  for (const [version, headers, status, code] of cases) {
    const answer = await ask(version, headers)
    t.match(answer, new RegExp(`^HTTP/1.1 ${status} .*application/problem\\+json.*"code":"${code}"`, 's'))
    t.match(answer, /x-request-id: (\S+)\r\n.*"requestId":"\1"/s)
  }
  t.match(await ask('1.0', ''), /^HTTP\/1.1 200 /, 'HTTP/1.0 has no Host')
  const body = 'content-type: application/json\r\ncontent-length: 12\r\n'
  const expecting = `POST /users HTTP/1.1\r\nhost: x\r\n${body}expect: 100-continue\r\nconnection: close\r\n\r\n{"name":"a"}`
  t.match(await raw(expecting), /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 201 /)
})

t.test('malformed bytes are not answered within a reply that has begun', async (t) => {
  const { raw } = await testServer(t, {}, (app) => {
    app.get('/begun', async (_request, reply) => {
      reply.hijack()
      reply.raw.writeHead(200, { 'content-length': '10' })
      reply.raw.write('begun')
      await delay(20)
      reply.raw.end('ended')
    })
    const begin = async (_request: unknown, reply: FastifyReply) => {
      reply.hijack()
      reply.raw.writeHead(200, { 'content-length': '10' })
      reply.raw.write('begun')
    }
    app.post('/begun', { onRequest: begin }, async () => {})
  })
  const answer = await raw('GET /begun HTTP/1.1\r\nhost: x\r\n\r\nNONSENSE\r\n\r\n')
  t.match(answer, /\r\n\r\nbegunendedHTTP\/1.1 400 .*"MALFORMED_HTTP"/s, 'the next request')
  const chunk = 'content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'
  const cut = await raw(`POST /begun HTTP/1.1\r\nhost: x\r\n${chunk}`)
  t.notMatch(cut, /MALFORMED/, 'its own body: the connection is cut')
})

t.test('an incomplete request is 408', async (t) => {
  const { raw } = await testServer(t, { headersTimeoutMs: 100, requestTimeoutMs: 200 })
  const header = await raw('GET /health HTTP/1.1\r\nhost: x\r\n')
  t.match(header, /^HTTP\/1.1 408 .*application\/problem\+json.*"code":"REQUEST_TIMEOUT"/s)
  const type = 'content-type: application/json\r\ncontent-length: 10'
  t.match(await raw(`POST /users HTTP/1.1\r\nhost: x\r\n${type}\r\n\r\n{`), /^HTTP\/1.1 408 /)
})

t.test('a 5xx hides its cause and logs it once', async (t) => {
  const { get, lines } = await testServer(t, {}, (app) => {
    app.get('/plain', async () => {
      throw new Error('password of the database')
    })
    app.get('/coded', async () => {
      throw Object.assign(new Error('pool of 10.0.0.1'), {
        statusCode: 503,
        code: 'DB_POOL_TIMEOUT',
        retryAfterSeconds: 1,
      })
    })
    app.get('/driver', async () => {
      throw Object.assign(new Error('syntax error at …'), { code: '42601' })
    })
    app.get('/text', async () => {
      throw 'nonsense'
    })
    app.get('/exposed', async () => {
      throw new AppError('UPSTREAM', 502, 'The orders are not available', { expose: true })
    })
  })
  const plain = await get('/plain')
  t.equal(plain.status, 500)
  const text = await plain.text()
  t.notMatch(text, /password|stack|at /)
  t.match(JSON.parse(text), { code: 'INTERNAL_ERROR', detail: 'Something failed in the service' })
  const failures = lines.filter(({ msg }) => msg === 'request failed')
  t.match(failures, [{ level: 'error', path: '/plain', requestId: plain.headers.get('x-request-id') }])
  t.equal(failures.length, 1)
  t.match(failures, [{ err: { message: 'password of the database', stack: /problems.test/ } }])

  const coded = await get('/coded')
  t.equal(coded.status, 503)
  t.equal(coded.headers.get('retry-after'), '1')
  t.match(await body(coded), { code: 'DB_POOL_TIMEOUT', detail: 'The service cannot answer at the moment' })
  t.match(lines.at(-1), { level: 'warn', reason: 'pool of 10.0.0.1' }, 'shed load is a warning without stack')

  t.match(await body(await get('/driver')), { status: 500, code: 'INTERNAL_ERROR' })
  t.match(await body(await get('/text')), { status: 500, code: 'INTERNAL_ERROR' })
  t.match(await body(await get('/exposed')), {
    status: 502,
    code: 'UPSTREAM',
    detail: 'The orders are not available',
  })
})

t.test('a thrown 4xx keeps its code, message and fields', async (t) => {
  const { get } = await testServer(t, {}, (app) => {
    exampleRoutes(app)
    app.get('/taken', async () => {
      throw Object.assign(new Error('is taken'), { statusCode: 409, code: 'EMAIL_TAKEN', field: 'email' })
    })
    app.get('/both', async () => {
      throw new AppError('ABSENT', 422, 'No such rows', {
        errors: [{ field: 'userId', message: 'does not exist' }],
      })
    })
    app.get('/odd', async () => {
      throw Object.assign(new Error('odd'), { statusCode: 200, code: 'ODD' })
    })
  })
  t.match(await body(await get('/taken')), {
    status: 409,
    title: 'Conflict',
    code: 'EMAIL_TAKEN',
    errors: [{ field: 'email', message: 'is taken' }],
  })
  t.match(await body(await get('/both')), {
    status: 422,
    errors: [{ field: 'userId', message: 'does not exist' }],
  })
  t.equal((await get('/odd')).status, 500, 'a status that is not an error')
})

t.test('codes of the framework, its plugins and Node do not reach the client', async (t) => {
  const { get } = await testServer(t, {}, (app) => {
    app.get('/:code', async ({ params }) => {
      const { code } = params as { code: string }
      throw Object.assign(new Error('fails'), { statusCode: 406, code })
    })
  })
  for (const code of ['FST_CP_ERR_INVALID_CONTENT_ENCODING', 'FST_NEW', 'ERR_STREAM', 'HPE_X', 'UND_ERR_X']) {
    t.match(await body(await get(`/${code}`)), { status: 406, code: 'NOT_ACCEPTABLE' })
  }
  t.match(await body(await get('/EMAIL_TAKEN')), { code: 'EMAIL_TAKEN' })
})

t.test('a fault of the body does not close the connection', async (t) => {
  const { raw } = await testServer(t)
  const request =
    'POST /users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n{'
  const last = 'GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'
  t.match(await raw(request + last), /^HTTP\/1.1 400 .*HTTP\/1.1 200 /s)
})

t.test('without a free descriptor any failure is a 503', async (t) => {
  const { get, lines } = await testServer(t, {}, (app) => {
    app.get('/open', async () => {
      throw Object.assign(new Error('connect EMFILE 10.0.0.7:5432'), { code: 'EMFILE' })
    })
  })
  const response = await get('/open')
  t.equal(response.status, 503)
  t.equal(response.headers.get('retry-after'), '1')
  const body = await response.json()
  t.match(body, { code: 'OUT_OF_FILES' })
  t.notMatch(JSON.stringify(body), /10\.0\.0\.7/)
  t.match(lines.at(-1), { level: 'error', err: { code: 'EMFILE' } })
})
