import { request } from 'node:http'

/** What a caller got: a status, or the code of the connection's error, or `no reply` within the limit. */
export type Outcome = string

export interface Reply {
  readonly outcome: Outcome
  readonly ms: number
  readonly retryAfter: string | undefined
  // biome-ignore lint/suspicious/noExplicitAny: bodies of every shape
  readonly body: any
}

/** The longest that a caller waits; a reply that takes longer fails each cell. */
const LIMIT_MS = 25_000

/** A request on a connection of its own. */
export function call(
  origin: string,
  method: string,
  path: string,
  options: { readonly body?: unknown; readonly headers?: Record<string, string> } = {},
): Promise<Reply> {
  const startedAt = performance.now()
  return new Promise((resolve) => {
    const settle = (outcome: Outcome, body?: unknown, retryAfter?: string) => {
      clearTimeout(timer)
      resolve({ outcome, ms: performance.now() - startedAt, retryAfter, body })
    }
    const headers = {
      ...(options.body !== undefined && { 'content-type': 'application/json' }),
      ...options.headers,
    }
    const outgoing = request(`${origin}${path}`, { method, agent: false, headers }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', (error: NodeJS.ErrnoException) => settle(error.code ?? 'error'))
      response.on('end', () => {
        const text = Buffer.concat(parts).toString()
        const isJson = response.headers['content-type']?.includes('json')
        settle(String(response.statusCode), isJson ? JSON.parse(text) : text, response.headers['retry-after'])
      })
    })
    const timer = setTimeout(() => {
      settle('no reply')
      outgoing.destroy()
    }, LIMIT_MS)
    outgoing.on('error', (error: NodeJS.ErrnoException) => settle(error.code ?? 'error'))
    outgoing.end(options.body === undefined ? undefined : JSON.stringify(options.body))
  })
}
