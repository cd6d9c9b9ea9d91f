import type { ServiceName } from '@reference/shop/services'
import { ALL_LISTS, hotUsers } from '../../scenarios/requests.ts'
import { UNCACHED } from '../../scenarios/uncached.ts'
import { JSON_HEADERS, type Request } from '../load/request.ts'
import { type Dataset, scatteredIds } from '../stack/dataset.ts'

/** A service with its settings, and the calls that are sent to it. */
export interface CallGroup {
  readonly service: ServiceName
  readonly environment: Readonly<Record<string, string>>
  readonly calls: readonly Call[]
}

export interface Call {
  readonly name: string
  readonly requests: (dataset: Dataset) => readonly Request[]
  /** Names of the statements that it sends; empty when it is answered from tier 1. */
  readonly statements: readonly string[]
}

/** Enough ids that the working set grows with the table. */
const IDS = 20_000

/** Every hot call, past the caches and from them. No two requests of a turn are alike, so none shares a statement. */
export const CALL_GROUPS: readonly CallGroup[] = [
  {
    service: 'reference-api',
    environment: { ...UNCACHED, CACHE_PAGE_TTL_MS: '0', COMPRESSION: 'off' },
    calls: [
      {
        name: 'a user',
        requests: ({ users }) => scatteredIds(users, IDS).map((id) => ({ path: `/users/${id}` })),
        statements: ['user_by_id'],
      },
      {
        name: 'an order',
        requests: ({ orders }) => scatteredIds(orders, IDS).map((id) => ({ path: `/orders/${id}` })),
        statements: ['order_by_id'],
      },
      {
        name: '20 orders of a user',
        requests: ({ users }) =>
          scatteredIds(users, IDS).map((id) => ({ path: `/orders?userId=${id}&limit=20` })),
        statements: ['orders_page_by_user'],
      },
      {
        name: 'the newest 50 orders',
        requests: () => [{ path: '/orders?limit=50' }],
        statements: ['orders_page'],
      },
      {
        name: 'the newest 50 orders with a status',
        requests: () => [{ path: '/orders?limit=50&status=cancelled' }],
        statements: ['orders_page_by_status'],
      },
      {
        name: 'an update of a user',
        requests: ({ users }) =>
          scatteredIds(users, IDS).map((id) => ({
            method: 'PATCH',
            path: `/users/${id}`,
            headers: JSON_HEADERS,
            body: JSON.stringify({ name: `Name ${id}` }),
          })),
        statements: ['update_user'],
      },
    ],
  },
  {
    service: 'reference-api',
    environment: {},
    calls: [{ name: 'a user from tier 1', requests: hotUsers, statements: [] }],
  },
  {
    service: 'parallel-api',
    environment: {},
    calls: [
      {
        name: '3 lists of 100 rows (/all)',
        requests: () => ALL_LISTS,
        statements: ['users_page', 'orders_page', 'products_page'],
      },
    ],
  },
]
