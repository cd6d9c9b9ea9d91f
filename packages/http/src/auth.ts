import { hash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest, onRequestHookHandler } from 'fastify'
import { type ProblemError, problem } from './problems.ts'
import type { App, Scope } from './types.ts'

export interface AuthToken {
  /** Who it is: what `request.caller` says. */
  name: string
  /** SHA-256 of the token in hex; the token itself is nowhere in the process. */
  sha256: string
  scope: Scope
}

/** Set on the requests that came with a token only: a property of every request would cost each a write. */
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
 * Makes the check for calls that need a token.
 * 401 without a known token, 403 when its scope does not reach; otherwise `request.caller` is its name.
 */
export function createAuth(tokens: readonly AuthToken[]): (scope: Scope) => onRequestHookHandler {
  const known = tokens.map((token) => ({ ...token, digest: Buffer.from(token.sha256, 'hex') }))
  return (scope) => (request, _reply, done) => {
    const holder = holderOf(request.headers.authorization, scope, known)
    if (holder instanceof Error) return done(holder)
    ;(request as Called)[CALLER] = holder.name
    done()
  }
}

type Known = AuthToken & { digest: Buffer }

function holderOf(header: string | undefined, scope: Scope, known: readonly Known[]): Known | ProblemError {
  if (header === undefined) return problem(401, 'TOKEN_MISSING', 'This call needs a bearer token')
  const token = /^Bearer +([\x21-\x7e]+)$/i.exec(header)?.[1]
  const holder = token === undefined ? undefined : find(known, token)
  if (!holder) return problem(401, 'TOKEN_INVALID', 'The token is not known')
  if (scope === 'admin' && holder.scope !== 'admin') {
    return problem(403, 'SCOPE_MISSING', 'This call needs the scope admin')
  }
  return holder
}

/** Compares with every token, so that the time tells neither whether nor where one matched. */
function find(known: readonly Known[], token: string): Known | undefined {
  const digest = hash('sha256', token, 'buffer')
  let found: Known | undefined
  for (const candidate of known) {
    if (candidate.digest.length === digest.length && timingSafeEqual(candidate.digest, digest))
      found = candidate
  }
  return found
}
