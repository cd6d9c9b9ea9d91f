import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The body parsed as JSON; undefined for other content types. */
  // biome-ignore lint/suspicious/noExplicitAny: tests check bodies of every shape
  readonly body: any
}

export type Get = (
  path: string,
  options?: { headers?: Record<string, string>; signal?: AbortSignal },
) => Promise<Answer>

/** One GET on its own connection. Aborting the signal closes the connection, as a client does that disconnects. */
export function createGet(origin: string): Get {
  return async (path, { headers = {}, signal } = {}) => {
    const { hostname, port } = new URL(origin)
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const options = { hostname, port, path, headers, agent: false as const, ...(signal && { signal }) }
    httpRequest(options, (response) => {
      response.setEncoding('utf8')
      let text = ''
      response.on('data', (part: string) => {
        text += part
      })
      response.on('error', reject)
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          body: response.headers['content-type']?.includes('json') ? JSON.parse(text) : undefined,
        }),
      )
    })
      .on('error', reject)
      .end()
    return promise
  }
}
