/** One request that a generator sends. */
export interface Request {
  readonly path: string
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** How many rows the database holds; request lists are made from it. */
export interface World {
  readonly users: number
  readonly products: number
  readonly orders: number
}

export const json = { 'content-type': 'application/json' } as const

/** Numbers from 1 to `limit` in an order that looks random and is the same in every run (a full-period step). */
export function scatteredIds(limit: number, count = limit): number[] {
  let step = Math.max(1, Math.floor(limit * 0.618))
  while (gcd(step, limit) !== 1) step++
  return Array.from({ length: Math.min(count, limit) }, (_, i) => ((i * step) % limit) + 1)
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b)
}
