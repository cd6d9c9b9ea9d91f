export interface SecurityHeaderOptions {
  /** `strict-transport-security` for this time; absent unless given: only the operator knows that every host of the domain has TLS. */
  readonly hstsSeconds?: number | undefined
}

/**
 * Headers of every reply of an API: data, which no browser should show as a page, guess a type for, or put into a frame. The pages of
 * `/docs` have a policy of their own.
 *
 * Not `@fastify/helmet`: it sets twelve headers, of which these three concern data, and it sets them by a hook for each request, where hot
 * routes need constants.
 */
export function securityHeaders({
  hstsSeconds,
}: SecurityHeaderOptions = {}): Readonly<Record<string, string>> {
  return {
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    ...(hstsSeconds !== undefined && { 'strict-transport-security': `max-age=${hstsSeconds}` }),
  }
}
