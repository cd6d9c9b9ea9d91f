import { hash, timingSafeEqual } from 'node:crypto'
import { AppError } from '@reference/errors'
import type { FastifyRequest, onRequestHookHandler } from 'fastify'
import { clientAddress } from './client-address.ts'
import type { RateLimiter } from './rate-limiter.ts'
import type { App, Scope } from './types.ts'

export interface AuthToken {
  /** The name of the token's holder, which becomes `request.caller`. */
  name: string
  /** SHA-256 of the token in hex. The process never holds the token itself. */
  sha256: string
  scope: Scope
}

/** Set only on requests that carry a token: a property on each request would cost a write each time. */
const CALLER = Symbol('caller')

type Called = FastifyRequest & { [CALLER]?: string }

/** Adds `request.caller`. */
export function addCaller(app: App): void {
  app.decorateRequest('caller', {
    getter(this: Called) {
      return this[CALLER]
    },
  })
}

/**
 * Makes the hook of calls that need a token: 401 without a known token, 403 when its scope does not cover the call;
 * otherwise `request.caller` becomes the name of its holder.
 *
 * An address that has sent too many unknown tokens gets 429 before its token is compared, so that it learns nothing by guessing.
 */
export function createAuth(
  tokens: readonly AuthToken[],
  failures: RateLimiter,
): (scope: Scope) => onRequestHookHandler {
  const known = tokens.map((token) => ({ ...token, digest: Buffer.from(token.sha256, 'hex') }))
  return (scope) => (request, _reply, done) => {
    const { authorization } = request.headers
    if (authorization !== undefined && failures.isExhausted(clientAddress(request))) {
      return done(tooManyFailures(failures))
    }
    const holder = holderOf(authorization, scope, known)
    if (holder instanceof Error) {
      if (holder.code === 'TOKEN_INVALID') failures.take(clientAddress(request))
      return done(holder)
    }
    ;(request as Called)[CALLER] = holder.name
    done()
  }
}

function tooManyFailures({ resetSeconds }: RateLimiter): AppError {
  const detail = 'This address has sent too many unknown tokens'
  return new AppError('TOO_MANY_FAILED_TOKENS', 429, detail, { retryAfterSeconds: resetSeconds })
}

type Known = AuthToken & { digest: Buffer }

function holderOf(header: string | undefined, scope: Scope, known: readonly Known[]): Known | AppError {
  if (header === undefined) return new AppError('TOKEN_MISSING', 401, 'This call needs a bearer token')
  const token = /^Bearer +([\x21-\x7e]+)$/i.exec(header)?.[1]
  const holder = token === undefined ? undefined : find(known, token)
  if (!holder) return new AppError('TOKEN_INVALID', 401, 'The token is not known')
  if (scope === 'admin' && holder.scope !== 'admin') {
    return new AppError('SCOPE_MISSING', 403, 'This call needs the scope admin')
  }
  return holder
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
