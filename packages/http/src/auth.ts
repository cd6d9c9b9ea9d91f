import { AppError } from '@reference/errors'
import type { FastifyRequest, onRequestHookHandler } from 'fastify'
import { clientAddress } from './client-address.ts'
import type { RateLimiter } from './rate-limiter.ts'
import type { App, Scope } from './types.ts'

/** The holder of a valid token. */
export interface Holder {
  /** Becomes `request.caller`. */
  readonly name: string
  readonly grants: readonly Scope[]
}

/** What each scope of a token permits. */
export const GRANTS: Readonly<Record<Scope, readonly Scope[]>> = {
  write: ['write'],
  admin: ['write', 'admin'],
}

/** Says who holds a token: a list of known ones, or the signature of an issuer. */
export interface TokenCheck {
  /** The names of our scopes in the tokens, for error replies. */
  readonly scopeNames: Readonly<Record<Scope, string>>
  /** An error is the reply: {@link invalidToken}, or a 503 while tokens cannot be checked. */
  holderOf(token: string): Holder | AppError | Promise<Holder | AppError>
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

/** @param detail reaches the client */
export function invalidToken(detail: string): AppError {
  return new AppError('TOKEN_INVALID', 401, detail)
}

/**
 * Makes the hook of calls that need a token: 401 without a valid token, 403 when its scopes do not cover the call;
 * otherwise `request.caller` becomes the name of its holder.
 *
 * An address that has sent too many invalid tokens gets 429 before its token is checked, so that it learns nothing by guessing.
 */
export function createAuth(check: TokenCheck, failures: RateLimiter): (scope: Scope) => onRequestHookHandler {
  const refusalOf = (found: Holder | AppError, scope: Scope, request: FastifyRequest) => {
    const address = clientAddress(request)
    // Asked again when a check has ended: other tokens of a burst may have used up the limit meanwhile.
    if (failures.isExhausted(address)) return tooManyFailures(failures)
    if (found instanceof Error) {
      if (found.code === 'TOKEN_INVALID') failures.take(address)
      return found
    }
    if (!found.grants.includes(scope)) return missingScope(check.scopeNames[scope])
    ;(request as Called)[CALLER] = found.name
    return undefined
  }
  return (scope) => (request, _reply, done) => {
    const { authorization } = request.headers
    if (authorization === undefined) return done(missingToken())
    if (failures.isExhausted(clientAddress(request))) return done(tooManyFailures(failures))
    const token = /^Bearer +([\x21-\x7e]+)$/i.exec(authorization)?.[1]
    const found = token === undefined ? invalidToken('The token is not known') : check.holderOf(token)
    if (found instanceof Promise) found.then((holder) => done(refusalOf(holder, scope, request)), done)
    else done(refusalOf(found, scope, request))
  }
}

function missingToken(): AppError {
  return new AppError('TOKEN_MISSING', 401, 'This call needs a bearer token')
}

function missingScope(name: string): AppError {
  return new AppError('SCOPE_MISSING', 403, `This call needs the scope ${name}`)
}

function tooManyFailures({ resetSeconds }: RateLimiter): AppError {
  const detail = 'This address has sent too many invalid tokens'
  return new AppError('TOO_MANY_FAILED_TOKENS', 429, detail, { retryAfterSeconds: resetSeconds })
}
