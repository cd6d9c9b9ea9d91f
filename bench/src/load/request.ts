/** One request that a generator sends. */
export interface Request {
  readonly path: string
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export const JSON_HEADERS = { 'content-type': 'application/json' } as const

/** The bytes of a request, with its host. */
export function encodeRequest(
  { path, method = 'GET', headers = {}, body = '' }: Request,
  host: string,
): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const length = body === '' ? '' : `content-length: ${Buffer.byteLength(body)}\r\n`
  return Buffer.from(`${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${lines.join('')}${length}\r\n${body}`)
}
