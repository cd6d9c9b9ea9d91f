/** One request that a generator sends. */
export interface Request {
  readonly path: string
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export const JSON_HEADERS = { 'content-type': 'application/json' } as const
