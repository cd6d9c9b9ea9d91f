import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AllowedMethods } from './allowed-methods.ts'
import { pathOf } from './problems.ts'
import type { App } from './types.ts'

/** Headers of requests that browsers do not send to another origin by themselves. */
const REQUEST_HEADERS = 'authorization, content-type, idempotency-key, if-match, if-none-match, x-request-id'

/** Headers of replies that scripts may read. */
const REPLY_HEADERS =
  'etag, idempotency-replayed, location, ratelimit-limit, ratelimit-remaining, ratelimit-reset, retry-after, x-cache, x-request-id'

/** How long a browser may keep the reply to a preflight. */
const MAX_AGE_SECONDS = '600'

/**
 * Lets the scripts of listed origins call the API and read its replies (Fetch standard, "CORS protocol"). Tokens are sent in a header of the
 * request, never as cookies, so no reply permits credentials, and no reply has a wildcard.
 *
 * Not `@fastify/cors`: it answers a preflight for every path, also for one without a route, and its errors are plain text; handlers that
 * set `vary` would remove its own.
 */
export class Cors {
  readonly #origins: ReadonlySet<string>

  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins)
  }

  /** Marks each reply. Call it before hooks that refuse requests: scripts must be able to read refusals too. */
  add(app: App): void {
    app.addHook('onRequest', (request, reply, done) => {
      reply.header('vary', 'origin')
      const { origin } = request.headers
      if (origin !== undefined && this.#origins.has(origin))
        reply.headers({
          'access-control-allow-origin': origin,
          'access-control-expose-headers': REPLY_HEADERS,
        })
      done()
    })
    // The handler may have set its own `vary`.
    app.addHook('onSend', (_request, reply, payload, done) => {
      reply.header('vary', varyByOrigin(reply.getHeader('vary')))
      done(null, payload)
    })
  }

  /** Answers the preflight of an allowed origin for a path that exists; false leaves any other request. */
  answersPreflight(request: FastifyRequest, reply: FastifyReply, allowed: AllowedMethods): boolean {
    const { origin, 'access-control-request-method': method } = request.headers
    if (request.method !== 'OPTIONS' || method === undefined || origin === undefined) return false
    if (!this.#origins.has(origin)) return false
    const methods = allowed.forPath(pathOf(request.raw.url ?? '/'))
    if (methods.length === 0) return false
    reply.headers({
      'access-control-allow-methods': methods.join(', '),
      'access-control-allow-headers': REQUEST_HEADERS,
      'access-control-max-age': MAX_AGE_SECONDS,
    })
    reply.code(204).send()
    return true
  }
}

/** A reply to one origin must not be given to another by a cache. */
export function varyByOrigin(vary: unknown): string {
  if (vary === undefined || vary === 'origin') return 'origin'
  return /(?:^|,)\s*(?:origin|\*)\s*(?:,|$)/i.test(String(vary)) ? String(vary) : `origin, ${vary}`
}
