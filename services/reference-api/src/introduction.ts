/** The head of the API's OpenAPI document and of `/docs`. */
export const INTRODUCTION = {
  title: 'Reference API',
  description: `Users, products, orders, settings and background jobs on Postgres, through two cache tiers.

- The reply's header **x-cache** names its source: \`l1\` this process, \`l2\` Redis, \`miss\` the database, \`off\` no cache.
- **Lists** come in pages: \`next\` of one page is \`after\` of the following one.
- A write that is repeated with the same **idempotency-key** within 24 hours gets the first reply, and has no second effect.
- **Errors** are problems of RFC 9457 with a stable \`code\`, and the \`requestId\` of the log lines.`,
} as const
