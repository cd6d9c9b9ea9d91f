import rateLimit from '@fastify/rate-limit'
import { clientAddress } from './client-address.ts'
import { problem } from './problems.ts'
import type { App } from './types.ts'

/**
 * Limits each address to so many requests a second; the platform's own calls are exempt.
 *
 * @param proxied the address comes from a header and may be none
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
      problem(429, 'RATE_LIMITED', `More than ${requestsPerSecond} requests a second`, {
        retryAfterSeconds: Math.max(1, Math.ceil(ttl / 1000)),
      }),
  })
}
