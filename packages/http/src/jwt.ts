import { AppError } from '@reference/errors'
import type { FastifyBaseLogger } from 'fastify'
import type { JWTPayload, JWTVerifyOptions } from 'jose'
import { GRANTS, type Holder, invalidToken, type TokenCheck } from './auth.ts'
import { KeySet, type KeySetLimits, keySetUnavailable } from './key-set.ts'
import type { Scope } from './types.ts'

/** Tokens that an issuer signs (RFC 7519, RFC 9068). This package only verifies them. */
export interface JwtOptions {
  /** The value of `iss`, compared exactly. */
  readonly issuer: string
  /** One of the values of `aud`. */
  readonly audience: string
  readonly jwksUrl: string
  /** How far the clocks of issuer and service may differ, for `exp` and `nbf`. */
  readonly clockSkewSeconds: number
  /** The claim with the scopes: text with spaces between them, or an array. */
  readonly scopeClaim: string
  /** The issuer's names of our scopes. */
  readonly scopeNames: Readonly<Record<Scope, string>>
  readonly limits?: Partial<KeySetLimits>
}

/**
 * Signatures by private keys only. With HMAC in the list, the public key, which anyone can read, would be a valid secret. A token
 * chooses among these, and jose uses a key for its own algorithm alone.
 */
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519']

/** Claims without which a token would be valid without end, or for no caller in particular. */
const REQUIRED = ['exp', 'sub']

/** A caller is part of the key of stored replies. */
const CALLER = /^\P{Cc}{1,255}$/u

export interface JwtCheck extends TokenCheck {
  /** Rejects while the keys of the issuer cannot be fetched. */
  ready(): Promise<void>
  close(): void
}

/** Checks tokens by the keys of their issuer. */
export async function createJwtCheck(options: JwtOptions, log: FastifyBaseLogger): Promise<JwtCheck> {
  // Loaded only where it is used.
  const { createLocalJWKSet, jwtVerify } = await import('jose')
  const { issuer, audience, clockSkewSeconds, scopeClaim, scopeNames } = options
  const keys = new KeySet({ url: options.jwksUrl, limits: options.limits, log, createLocalJWKSet })
  const rules: JWTVerifyOptions = {
    issuer,
    audience,
    clockTolerance: clockSkewSeconds,
    algorithms: ALGORITHMS,
    requiredClaims: REQUIRED,
  }
  return {
    scopeNames,
    async holderOf(token) {
      try {
        const { payload } = await jwtVerify(token, keys.keyOf, rules)
        return holderOf(payload, scopesOf(payload[scopeClaim]), scopeNames)
      } catch (error) {
        return refusal(error)
      }
    },
    ready: () => keys.check(),
    close: () => keys.close(),
  }
}

function holderOf({ sub }: JWTPayload, scopes: readonly string[], names: TokenCheck['scopeNames']): Holder {
  if (typeof sub !== 'string' || !CALLER.test(sub) || !sub.isWellFormed())
    throw invalidToken('The claim sub of the token is not valid')
  if (scopes.includes(names.admin)) return { name: sub, grants: GRANTS.admin }
  return { name: sub, grants: scopes.includes(names.write) ? GRANTS.write : [] }
}

function scopesOf(claim: unknown): readonly string[] {
  if (typeof claim === 'string') return claim.split(' ')
  return Array.isArray(claim) ? claim.filter((scope) => typeof scope === 'string') : []
}

/** jose's codes for faults of the token itself. Any other error is one of the keys or of their issuer. */
const FAULT_OF_TOKEN = /^ERR_(?:JWT_|JWS_|JOSE_|JWKS_NO_MATCHING_KEY$|JWKS_MULTIPLE_MATCHING_KEYS$)/

interface JoseError {
  readonly code?: unknown
  readonly claim?: unknown
}

/** What a token lacks is said only after its signature was found valid: jose checks that first. */
function refusal(error: unknown): AppError {
  if (error instanceof AppError) return error
  const { code, claim } = error as JoseError
  if (typeof code !== 'string' || !FAULT_OF_TOKEN.test(code)) return unusableKey(error)
  if (code === 'ERR_JWT_EXPIRED') return invalidToken('The token has expired')
  if (claim === 'nbf') return invalidToken('The token is not valid yet')
  if (claim === 'iss') return invalidToken('The token is from another issuer')
  if (claim === 'aud') return invalidToken('The token is for another audience')
  if (typeof claim === 'string' && REQUIRED.includes(claim))
    return invalidToken(`The token has no claim ${claim}`)
  if (code === 'ERR_JOSE_ALG_NOT_ALLOWED') return invalidToken('The algorithm of the token is not accepted')
  if (code === 'ERR_JWKS_NO_MATCHING_KEY') return invalidToken('The issuer has no such key')
  return invalidToken('The token is not valid')
}

/** Such as an RSA key of 1,024 bits. */
function unusableKey(cause: unknown): AppError {
  return keySetUnavailable('a key of their issuer cannot be used', { cause, retryAfterSeconds: 10 })
}
