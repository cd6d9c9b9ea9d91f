import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, type GenerateKeyPairResult, generateKeyPair, type JWK, SignJWT } from 'jose'
import type { Teardown } from './test-server.ts'

const ISSUER = 'https://issuer.example/'
const AUDIENCE = 'shop'

export interface TokenIssuer {
  /** Options for `createServer`. */
  readonly jwt: {
    issuer: string
    audience: string
    jwksUrl: string
    clockSkewSeconds: number
    scopeClaim: string
    scopeNames: { write: string; admin: string }
  }
  /** The number of times that the key set was fetched. */
  readonly fetches: number
  /** Replaces the reply to a fetch; undefined restores the key set. */
  reply: ((response: ServerResponse) => void) | undefined
  /** The keys as published. */
  readonly published: readonly JWK[]
  /** Adds a key, with which later tokens are signed, and removes all others on request. */
  rotate(options?: {
    alg?: string
    removeOthers?: boolean
    publish?: boolean
  }): Promise<GenerateKeyPairResult>
  /** Signs a valid token for ten minutes, but for the given claims and header. A claim that is undefined is left out. */
  sign(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>
}

/** An issuer of tokens with keys that rotate, closed when the test ends. */
export async function tokenIssuer(t: Teardown): Promise<TokenIssuer> {
  const published: JWK[] = []
  let current: { alg: string; kid: string; keys: GenerateKeyPairResult }
  let made = 0
  let fetches = 0
  const server = createServer((_request, response) => {
    fetches++
    if (issuer.reply) return issuer.reply(response)
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: published }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const issuer: TokenIssuer = {
    jwt: {
      issuer: ISSUER,
      audience: AUDIENCE,
      jwksUrl: `http://127.0.0.1:${port}/keys`,
      clockSkewSeconds: 5,
      scopeClaim: 'scope',
      scopeNames: { write: 'shop:write', admin: 'shop:admin' },
    },
    get fetches() {
      return fetches
    },
    reply: undefined,
    published,
    async rotate({ alg = 'ES256', removeOthers = false, publish = true } = {}) {
      const kid = `key-${++made}`
      const keys = await generateKeyPair(alg, { extractable: true })
      current = { alg, kid, keys }
      if (removeOthers) published.splice(0)
      if (publish) published.push({ ...(await exportJWK(keys.publicKey)), kid, alg, use: 'sig' })
      return keys
    },
    sign(claims = {}, header = {}) {
      const now = Math.floor(Date.now() / 1000)
      const standard = { iss: ISSUER, aud: AUDIENCE, sub: 'alice', exp: now + 600, scope: 'shop:write' }
      return new SignJWT({ ...standard, ...claims })
        .setProtectedHeader({ alg: current.alg, kid: current.kid, ...header })
        .sign(current.keys.privateKey)
    },
  }
  await issuer.rotate()
  return issuer
}
