import type { ServiceName } from '@reference/shop/services'
import { UNCACHED } from '../../scenarios/uncached.ts'
import { JSON_HEADERS, type Request } from '../load/request.ts'
import { type Dataset, scatteredIds } from '../stack/dataset.ts'

/** A call whose rate is raised beyond saturation. */
export interface OverloadedCall {
  readonly name: string
  /** For the reader. */
  readonly request: string
  readonly service: ServiceName
  readonly environment: Readonly<Record<string, string>>
  /** Callers of the closed loop that finds the rate of saturation. */
  readonly connections: number
  readonly requests: (dataset: Dataset) => readonly Request[]
}

/** One call of each kind. */
export const OVERLOADED_CALLS: readonly OverloadedCall[] = [
  {
    name: 'read',
    // Long pages: the rate of short ones is more than the generator can triple.
    request: 'GET /orders?limit=…, 150 to 249 orders, uncached',
    service: 'reference-api',
    environment: { ...UNCACHED, CACHE_PAGE_TTL_MS: '0', SHARED_READS: 'off' },
    connections: 48,
    requests: () => Array.from({ length: 100 }, (_, index) => ({ path: `/orders?limit=${150 + index}` })),
  },
  {
    name: 'write',
    request: 'POST /orders',
    service: 'reference-api',
    environment: {},
    connections: 48,
    requests: ({ users, products }) =>
      scatteredIds(users, 5_000).map((userId) => ({
        method: 'POST',
        path: '/orders',
        headers: JSON_HEADERS,
        body: JSON.stringify({ userId, productId: 1 + (userId % products), quantity: 1 }),
      })),
  },
  // part:parallel-api
  {
    name: 'report',
    request: 'GET /report',
    service: 'parallel-api',
    environment: {},
    connections: 256,
    requests: () => [{ path: '/report' }],
  },
  // end:parallel-api
]
