import rateLimit from '@fastify/rate-limit'
import { AppError } from '@reference/errors'
import { clientAddress } from './client-address.ts'
import type { App } from './types.ts'

/**
 * Limits the requests a second of each client address. Operational calls are exempt.
 *
 * @param options.proxied the address comes from a header, which may hold no address
 */
export async function addRateLimit(
  app: App,
  requestsPerSecond: number,
  { proxied }: { proxied: boolean },
): Promise<void> {
  await app.register(rateLimit, {
    max: requestsPerSecond,
    timeWindow: 1000,
    cache: 10_000,
    enableDraftSpec: true,
    ...(proxied && { keyGenerator: clientAddress }),
    errorResponseBuilder: (_request, { ttl }) =>
      new AppError('RATE_LIMITED', 429, `More than ${requestsPerSecond} requests a second`, {
        retryAfterSeconds: Math.max(1, Math.ceil(ttl / 1000)),
      }),
  })
}
