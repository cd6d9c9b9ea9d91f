import { hash, timingSafeEqual } from 'node:crypto'
import { GRANTS, invalidToken, type TokenCheck } from './auth.ts'
import type { Scope } from './types.ts'

export interface AuthToken {
  /** The name of the token's holder, which becomes `request.caller`. */
  name: string
  /** SHA-256 of the token in hex. The process never holds the token itself. */
  sha256: string
  scope: Scope
}

type Known = AuthToken & { readonly digest: Buffer; readonly grants: readonly Scope[] }

/** Checks tokens against a list of known ones. */
export function createKnownTokens(tokens: readonly AuthToken[]): TokenCheck {
  const known = tokens.map((token) => ({
    ...token,
    digest: Buffer.from(token.sha256, 'hex'),
    grants: GRANTS[token.scope],
  }))
  return {
    scopeNames: { write: 'write', admin: 'admin' },
    holderOf: (token) => find(known, token) ?? invalidToken('The token is not known'),
  }
}

/** Compares with every token, so that the response time reveals neither whether nor where one matched. */
function find(known: readonly Known[], token: string): Known | undefined {
  const digest = hash('sha256', token, 'buffer')
  let found: Known | undefined
  for (const candidate of known) {
    if (candidate.digest.length === digest.length && timingSafeEqual(candidate.digest, digest))
      found = candidate
  }
  return found
}
