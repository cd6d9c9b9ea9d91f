import rateLimit from '@fastify/rate-limit'
import { problem } from './problems.ts'
import type { App } from './types.ts'

/** Limits each address to so many requests a second; the platform's own calls are exempt. */
export async function addRateLimit(app: App, requestsPerSecond: number): Promise<void> {
  await app.register(rateLimit, {
    max: requestsPerSecond,
    timeWindow: 1000,
    cache: 10_000,
    enableDraftSpec: true,
    errorResponseBuilder: (_request, { ttl }) =>
      problem(429, 'RATE_LIMITED', `More than ${requestsPerSecond} requests a second`, {
        retryAfterSeconds: Math.max(1, Math.ceil(ttl / 1000)),
      }),
  })
}
