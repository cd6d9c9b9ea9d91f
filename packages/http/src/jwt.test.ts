import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import { until } from '@reference/async'
import { stopClock } from '@reference/async/testing'
import { exportSPKI } from 'jose'
import t from 'tap'
import type { App } from './index.ts'
import type { KeySetLimits } from './key-set.ts'
import { type Teardown, testServer } from './testing/test-server.ts'
import { type TokenIssuer, tokenIssuer } from './testing/token-issuer.ts'

function routes(app: App): void {
  app.get('/open', async () => ({}))
  app.post('/rows', { config: { scope: 'write' } }, async ({ caller }) => ({ caller }))
  app.post('/settings', { config: { scope: 'admin' } }, async ({ caller }) => ({ caller }))
}

const AT_ONCE: Partial<KeySetLimits> = { retryMs: 1, cooldownMs: 1 }

async function start(
  t: Teardown,
  {
    issuer,
    limits = {},
    ...options
  }: { issuer?: TokenIssuer; limits?: Partial<KeySetLimits> } & Record<string, unknown> = {},
) {
  const from = issuer ?? (await tokenIssuer(t))
  const jwt = { ...from.jwt, limits }
  const server = await testServer(
    t,
    { auth: 'jwt', jwt, requestLog: true, logLevel: 'trace', ...options },
    routes,
  )
  const call = async (token: string, path = '/rows') => {
    const response = await server.post(path, '{}', { authorization: `Bearer ${token}` })
    const body = (await response.json()) as { caller?: string; code?: string; detail?: string }
    return { status: response.status, headers: response.headers, ...body }
  }
  return { ...server, issuer: from, call }
}

const seconds = () => Math.floor(Date.now() / 1000)
const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

t.test('a token of the issuer permits what its scopes name; reads stay open', async (t) => {
  const { call, get, post, issuer } = await start(t)
  t.equal((await get('/open')).status, 200)
  const none = await post('/rows', '{}')
  t.equal(none.status, 401)
  t.equal(none.headers.get('www-authenticate'), 'Bearer')
  t.match(await none.json(), { code: 'TOKEN_MISSING' })

  t.match(await call(await issuer.sign()), { status: 200, caller: 'alice' })
  const admin = await issuer.sign({ sub: 'root', scope: 'openid shop:admin' })
  t.match(await call(admin), { status: 200, caller: 'root' }, 'admin implies write')
  t.match(await call(admin, '/settings'), { status: 200, caller: 'root' })
})

t.test('a token without the scope is 403, and the reply names the scope', async (t) => {
  const { call, issuer } = await start(t)
  const refused = await call(await issuer.sign(), '/settings')
  t.match(refused, { status: 403, code: 'SCOPE_MISSING', detail: /shop:admin/ })
  t.equal(refused.headers.get('www-authenticate'), 'Bearer error="insufficient_scope"')
  for (const scope of [
    undefined,
    '',
    'write',
    'shop:writer',
    'SHOP:WRITE',
    7,
    { 'shop:write': true },
    [['shop:write']],
  ]) {
    t.match(
      await call(await issuer.sign({ scope })),
      { status: 403, detail: /shop:write/ },
      JSON.stringify(scope),
    )
  }
})

t.test('scopes may be an array in a claim of another name', async (t) => {
  const issuer = await tokenIssuer(t)
  Object.assign(issuer.jwt, { scopeClaim: 'roles' })
  const { call } = await start(t, { issuer })
  t.equal((await call(await issuer.sign({ roles: ['shop:write'] }))).status, 200)
  t.equal((await call(await issuer.sign({ roles: ['shop:read'] }))).status, 403)
})

t.test('each algorithm of the list is accepted', async (t) => {
  const { call, issuer } = await start(t, { limits: AT_ONCE })
  for (const alg of ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519']) {
    await issuer.rotate({ alg })
    t.equal((await call(await issuer.sign())).status, 200, alg)
  }
})

t.test('an invalid token is 401 with the reason', async (t) => {
  const { call, issuer } = await start(t, { authFailuresPerMinute: 1000 })
  const now = seconds()
  const cases: [string, Promise<string>, RegExp][] = [
    ['expired', issuer.sign({ exp: now - 6 }), /has expired/],
    ['not yet valid', issuer.sign({ nbf: now + 60 }), /not valid yet/],
    ['wrong audience', issuer.sign({ aud: 'other' }), /another audience/],
    ['no audience', issuer.sign({ aud: undefined }), /another audience/],
    ['wrong issuer', issuer.sign({ iss: 'https://issuer.example' }), /another issuer/],
    ['no issuer', issuer.sign({ iss: undefined }), /another issuer/],
    ['no expiry', issuer.sign({ exp: undefined }), /no claim exp/],
    ['no subject', issuer.sign({ sub: undefined }), /no claim sub/],
    ['an empty subject', issuer.sign({ sub: '' }), /claim sub/],
    ['a subject with U+0000', issuer.sign({ sub: 'a\u0000' }), /claim sub/],
    ['a subject of half a character', issuer.sign({ sub: '\ud800' }), /claim sub/],
    ['a subject that is a number', issuer.sign({ sub: 7 }), /claim sub/],
    ['three parts that are no token', Promise.resolve('x.y.z'), /not valid/],
    ['no token', Promise.resolve('abc'), /not valid/],
  ]
  for (const [name, token, detail] of cases) {
    const refused = await call(await token)
    t.match(refused, { status: 401, code: 'TOKEN_INVALID', detail }, name)
    t.equal(refused.headers.get('www-authenticate'), 'Bearer error="invalid_token"', name)
  }
})

t.test('times are compared within the clock skew', async (t) => {
  stopClock(t)
  const { call, issuer } = await start(t)
  t.equal((await call(await issuer.sign({ exp: seconds() - 2 }))).status, 200)
  t.equal((await call(await issuer.sign({ nbf: seconds() + 3 }))).status, 200)
})

t.test('a token without a signature, or with the public key as its secret, is 401', async (t) => {
  const issuer = await tokenIssuer(t)
  const { publicKey } = await issuer.rotate({ alg: 'RS256', removeOthers: true })
  const { call } = await start(t, { issuer })
  const [key] = issuer.published
  const claims = {
    iss: issuer.jwt.issuer,
    aud: 'shop',
    sub: 'mallory',
    exp: seconds() + 600,
    scope: 'shop:admin',
  }
  const forged = (header: object, secret?: string) => {
    const content = `${base64url({ kid: key?.kid, ...header })}.${base64url(claims)}`
    return `${content}.${secret === undefined ? '' : createHmac('sha256', secret).update(content).digest('base64url')}`
  }
  t.equal((await call(await issuer.sign())).status, 200)
  const pem = await exportSPKI(publicKey)
  for (const alg of ['none', 'None', 'NONE', ''])
    t.match(await call(forged({ alg })), { status: 401, code: 'TOKEN_INVALID' }, `alg ${alg}`)
  for (const secret of [pem, pem.trim(), JSON.stringify(key), String(key?.n)])
    t.match(await call(forged({ alg: 'HS256' }, secret)), { status: 401, detail: /algorithm/ })
  t.match(await call(forged({ alg: 'RS256' }, pem)), { status: 401 })
  const [head, , signature] = (await issuer.sign()).split('.')
  t.match(await call(`${head}.${base64url(claims)}.${signature}`), { status: 401, detail: /not valid/ })
  t.equal(issuer.fetches, 1, 'none of them made the service fetch keys')
})

t.test('an algorithm outside of the list is 401, also with a key of the issuer', async (t) => {
  const { call, issuer } = await start(t, { limits: AT_ONCE })
  for (const alg of ['RS512', 'ES512', 'RS384']) {
    await issuer.rotate({ alg })
    t.match(await call(await issuer.sign()), { status: 401, detail: /algorithm/ }, alg)
  }
})

t.test(
  'a new key is fetched with the first token that needs it, and an old one ends with its removal',
  async (t) => {
    const { call, issuer } = await start(t, { limits: { cooldownMs: 1 } })
    const before = await issuer.sign()
    t.equal((await call(before)).status, 200)
    await issuer.rotate()
    t.equal((await call(await issuer.sign())).status, 200)
    t.equal((await call(before)).status, 200, 'the old key is still published')
    t.equal(issuer.fetches, 2)
    await issuer.rotate({ removeOthers: true })
    t.equal((await call(await issuer.sign())).status, 200)
    t.match(await call(before), { status: 401, detail: /no such key/ })
  },
)

t.test('keys that have reached their age are fetched before the next use', async (t) => {
  const { call, issuer } = await start(t, { limits: { maxAgeMs: 0 } })
  const before = await issuer.sign()
  t.equal((await call(before)).status, 200)
  await issuer.rotate({ removeOthers: true })
  t.match(await call(before), { status: 401, detail: /no such key/ }, 'a withdrawn key')
})

t.test('tokens with unknown keys cause one fetch, then none until the pause is over', async (t) => {
  const { call, issuer } = await start(t, { limits: { cooldownMs: 60_000 }, authFailuresPerMinute: 1000 })
  t.equal((await call(await issuer.sign())).status, 200)
  t.equal(issuer.fetches, 1)
  const unknown = await Promise.all(
    Array.from({ length: 50 }, async (_, n) => call(await issuer.sign({}, { kid: `unknown-${n}` }))),
  )
  for (const refused of unknown) t.match(refused, { status: 401, detail: /no such key/ })
  t.equal(issuer.fetches, 1, 'within the pause')

  const eager = await start(t, { limits: { cooldownMs: 1 } })
  t.equal((await eager.call(await eager.issuer.sign())).status, 200)
  let answer: () => void = () => {}
  eager.issuer.reply = (response) => {
    answer = () => response.end(JSON.stringify({ keys: eager.issuer.published }))
  }
  const calls = Array.from({ length: 20 }, async (_, n) =>
    eager.call(await eager.issuer.sign({}, { kid: `u-${n}` })),
  )
  await until('the keys are fetched', () => eager.issuer.fetches === 2)
  // A call that arrives after the answer would fetch again.
  await until('all calls wait', () => eager.app.lifecycle.inFlight.size === calls.length)
  answer()
  for (const refused of await Promise.all(calls)) t.match(refused, { status: 401 })
  t.equal(eager.issuer.fetches, 2, 'concurrent tokens share a fetch')
})

t.test(
  'without a key set no token is accepted: 503 with retry-after, and a degraded row in /ready',
  async (t) => {
    const issuer = await tokenIssuer(t)
    issuer.reply = (response) => response.writeHead(500).end()
    const { call, get, lines } = await start(t, { issuer, limits: { retryMs: 50 } })
    const token = await issuer.sign()
    const refused = await call(token)
    t.match(refused, { status: 503, code: 'KEY_SET_UNAVAILABLE' })
    t.equal(refused.headers.get('retry-after'), '1')
    t.equal(refused.headers.get('www-authenticate'), null)
    t.equal((await get('/open')).status, 200)
    t.equal((await get('/ready')).status, 200)
    t.match(await (await get('/ready')).json(), {
      status: 'degraded',
      checks: [{ name: 'token-keys', status: 'degraded', error: 'KEY_SET_UNAVAILABLE' }],
    })
    t.equal(lines.filter(({ msg }) => /key set of the token issuer cannot/.test(String(msg))).length, 1)

    issuer.reply = undefined
    await until('the token is accepted', async () => (await call(token)).status === 200)
    t.match(await (await get('/ready')).json(), { status: 'ok' })
  },
)

t.test('an issuer that cannot be used is a 503, whatever it does', async (t) => {
  const replies: Record<string, NonNullable<TokenIssuer['reply']>> = {
    hangs: () => {},
    'closes the connection': (response) => response.destroy(),
    'sends no JSON': (response) => response.end('<html>'),
    'sends no key set': (response) => response.end('{"keys":7}'),
    redirects: (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    'sends without end': (response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, 32)));
      }
      response.on('drain', more)
      more()
    },
  }
  for (const [name, reply] of Object.entries(replies)) {
    const issuer = await tokenIssuer(t)
    issuer.reply = reply
    const { call } = await start(t, { issuer, limits: { timeoutMs: 300 } })
    t.match(await call(await issuer.sign()), { status: 503, code: 'KEY_SET_UNAVAILABLE' }, name)
  }
  const issuer = await tokenIssuer(t)
  issuer.jwt.jwksUrl = await closedPort()
  const { call } = await start(t, { issuer })
  t.match(await call(await issuer.sign()), { status: 503 }, 'nothing listens')
})

t.test('a failed fetch is followed by a pause without further ones', async (t) => {
  const issuer = await tokenIssuer(t)
  issuer.reply = (response) => response.writeHead(500).end()
  const { call } = await start(t, { issuer, limits: { retryMs: 60_000 } })
  for (let n = 0; n < 20; n++) t.equal((await call(await issuer.sign())).status, 503)
  t.equal(issuer.fetches, 1)
})

t.test('known keys are used while the issuer is unavailable, for a bounded time', async (t) => {
  const issuer = await tokenIssuer(t)
  const { call } = await start(t, { issuer, limits: { ...AT_ONCE, maxAgeMs: 0, maxUseMs: 60_000 } })
  const token = await issuer.sign()
  t.equal((await call(token)).status, 200)
  issuer.reply = (response) => response.destroy()
  t.equal((await call(token)).status, 200, 'by the keys of before')
  t.match(await call(await issuer.sign({}, { kid: 'new' })), { status: 503 }, 'a new key cannot be known')

  const other = await tokenIssuer(t)
  const strict = await start(t, { issuer: other, limits: { ...AT_ONCE, maxUseMs: 0 } })
  const valid = await other.sign()
  t.equal((await strict.call(valid)).status, 200)
  other.reply = (response) => response.destroy()
  t.equal((await strict.call(valid)).status, 503, 'keys past their time are not used')
})

t.test('an address that sends invalid tokens is refused before they are checked', async (t) => {
  stopClock(t)
  const { call, get, post, issuer } = await start(t, {
    authFailuresPerMinute: 5,
    limits: { cooldownMs: 60_000 },
  })
  t.equal((await call(await issuer.sign())).status, 200)
  const tokens = await Promise.all(Array.from({ length: 40 }, (_, n) => issuer.sign({ exp: n })))
  const burst = await Promise.all(tokens.map((token) => call(token)))
  t.equal(burst.filter(({ status }) => status === 401).length, 5, 'at the same time as well')
  const refused = await call(await issuer.sign())
  t.match(refused, { status: 429, code: 'TOO_MANY_FAILED_TOKENS' }, 'a valid one too')
  t.match(refused.headers.get('retry-after'), /^[1-9]\d?$/)
  t.equal((await get('/open')).status, 200)
  t.equal((await post('/rows', '{}')).status, 401)
})

t.test('an unavailable issuer is no failure of the client', async (t) => {
  const issuer = await tokenIssuer(t)
  issuer.reply = (response) => response.destroy()
  const { call } = await start(t, { issuer, authFailuresPerMinute: 2, limits: AT_ONCE })
  for (let n = 0; n < 5; n++) t.equal((await call(await issuer.sign())).status, 503)
  issuer.reply = undefined
  await until('the token is accepted', async () => (await call(await issuer.sign())).status === 200)
})

t.test('a key that no service should accept is a 503, not an answer about the token', async (t) => {
  const issuer = await tokenIssuer(t)
  const { call } = await start(t, { issuer, limits: AT_ONCE })
  const { privateKey } = await issuer.rotate({ alg: 'RS256' })
  const token = await issuer.sign()
  const { exportJWK } = await import('jose')
  Object.assign(issuer.published.at(-1) ?? {}, await exportJWK(privateKey))
  t.match(await call(token), { status: 503, code: 'KEY_SET_UNAVAILABLE' }, 'a private key in public')
})

t.test('the token is checked before the body', async (t) => {
  const { post, issuer } = await start(t)
  const authorization = `Bearer ${await issuer.sign({ exp: 1 })}`
  t.equal((await post('/rows', '{', { authorization })).status, 401)
  t.equal((await post('/rows', '{', { authorization: `Bearer ${await issuer.sign()}` })).status, 400)
})

t.test('no token is in the log', async (t) => {
  const { call, issuer, lines } = await start(t, { limits: AT_ONCE })
  const tokens = [await issuer.sign(), await issuer.sign({ exp: 1 }), await issuer.sign({}, { kid: 'u' })]
  for (const token of tokens) for (const path of ['/rows', '/settings', '/nope']) await call(token, path)
  issuer.reply = (response) => response.destroy()
  await call(await issuer.sign({}, { kid: 'v' }))
  t.ok(
    lines.some(({ msg }) => msg === 'request refused'),
    'the 503 is logged',
  )
  const text = JSON.stringify(lines)
  for (const token of tokens) for (const part of token.split('.')) t.notMatch(text, part)
})

t.test('a service without a call that needs a token fetches no keys', async (t) => {
  const issuer = await tokenIssuer(t)
  issuer.reply = (response) => response.destroy()
  const { get } = await testServer(t, { auth: 'jwt', jwt: issuer.jwt }, (app) => {
    app.get('/open', async () => ({}))
  })
  t.match(await (await get('/ready')).json(), { status: 'ok', checks: [] })
  t.equal(issuer.fetches, 0)
})

t.test('OpenAPI documents the tokens', async (t) => {
  const { get } = await start(t)
  t.match(await (await get('/openapi.json')).json(), {
    components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
    paths: { '/rows': { post: { security: [{ bearer: [] }] } } },
  })
})

async function closedPort(): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return `http://127.0.0.1:${port}/`
}
