import type { IncomingMessage } from 'node:http'
import { AppError } from '@reference/errors'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { clientAddress, type TrustProxy } from './client-address.ts'
import type { RateLimiter } from './rate-limiter.ts'
import type { App } from './types.ts'

/** The limiter of the requests of each client, and where the address of a client is found. */
export interface RequestLimit {
  readonly limiter: RateLimiter
  /** Whether hot routes can find the address: it is that of the connection, or the last entry of `x-forwarded-for`. */
  readonly readsAddress: boolean
  readonly isProxied: boolean
}

export function createRequestLimit(limiter: RateLimiter, trustProxy: TrustProxy): RequestLimit {
  return {
    limiter,
    readsAddress: trustProxy === false || trustProxy === 1,
    isProxied: trustProxy !== false,
  }
}

/**
 * Limits the requests a second of each client address, whatever their reply will be: also those without a route, token or valid URL.
 * Operational calls are exempt. A hot route counts its own replies.
 */
export function addRateLimit(app: App, { limiter }: RequestLimit): void {
  app.addHook('onRequest', (request, reply, done) => {
    if (request.routeOptions.config.rateLimit === false || request.begun !== undefined) return done()
    done(refusalOf(limiter, request, reply))
  })
  app.addHook('onReady', async () => limiter.start())
  app.addHook('onClose', async () => limiter.close())
}

/** Counts a request, and returns its refusal when it is one too many. */
export function refusalOf(
  limiter: RateLimiter,
  request: FastifyRequest,
  reply: FastifyReply,
): AppError | undefined {
  if (limiter.take(clientAddress(request))) return undefined
  const { max, resetSeconds } = limiter
  reply.headers({
    'ratelimit-limit': String(max),
    'ratelimit-remaining': '0',
    'ratelimit-reset': String(resetSeconds),
  })
  return new AppError('RATE_LIMITED', 429, `More than ${max} requests a second`, {
    retryAfterSeconds: resetSeconds,
  })
}

/** Counts a request before Fastify has seen it. `forwardedFor` is the header of the only proxy, whose entry is the last one. */
export function takeRaw(
  { limiter, isProxied }: RequestLimit,
  { socket }: IncomingMessage,
  forwardedFor: string | undefined,
): boolean {
  const { remoteAddress = '' } = socket
  if (!isProxied || forwardedFor === undefined) return limiter.take(remoteAddress)
  const last = forwardedFor.slice(forwardedFor.lastIndexOf(',') + 1).trim()
  return limiter.take(last, remoteAddress)
}
