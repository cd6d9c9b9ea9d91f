import { hasIndexes } from '../src/proofs/database.ts'
import { answers } from '../src/proofs/replies.ts'
import type { Scenario, Variant } from '../src/run/scenario.ts'
import { scatteredIds } from '../src/stack/dataset.ts'
import { LINKS } from './links.ts'
import { NOT_SHARED, tuned } from './variants.ts'

const UNCACHED_PAGES = { ...NOT_SHARED, CACHE_PAGE_TTL_MS: '0', COMPRESSION: 'off' }

/** A variant on a copy of the database without some indexes. */
function without(indexes: readonly string[], label: string): Variant {
  return {
    name: `without ${indexes.join(', ')}`,
    label,
    environment: UNCACHED_PAGES,
    database: {
      name: `without_${indexes.join('_')}`.slice(0, 60),
      change: `DROP INDEX ${indexes.map((index) => `"${index}"`).join(', ')}`,
    },
    proofs: [answers(200), hasIndexes(indexes, false)],
  }
}

export const indexOnUser: Scenario = {
  name: 'index-on-user',
  title: 'Indexes on orders by user',
  about:
    'GET /orders?userId=…&limit=20 over all users, nothing cached: with the indexes of the guide, and without each of them.',
  guide: 'Database Performance › Query Optimization › Add indexes',
  links: LINKS.indexes,
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 16,
  requests: ({ users }) => scatteredIds(users, 2000).map((id) => ({ path: `/orders?userId=${id}&limit=20` })),
  tuned: tuned([answers(200), hasIndexes(['orders_user_id_idx', 'orders_user_id_created_at_idx'], true)], {
    environment: UNCACHED_PAGES,
  }),
  variants: [
    without(['orders_user_id_created_at_idx'], 'index (user_id, created_at), where (user_id) exists'),
    without(['orders_user_id_idx'], 'index (user_id), where (user_id, created_at) exists'),
    without(['orders_user_id_idx', 'orders_user_id_created_at_idx'], 'both indexes on user_id'),
  ],
}

export const indexOnTime: Scenario = {
  name: 'index-on-time',
  title: 'Indexes on orders by time',
  about:
    'GET /orders?limit=20, the newest orders, nothing cached: with the indexes on created_at, and without each of them.',
  guide: 'Database Performance › Query Optimization › Add indexes',
  links: LINKS.indexes,
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 16,
  requests: () => [{ path: '/orders?limit=20' }],
  tuned: tuned([answers(200), hasIndexes(['orders_created_at_idx', 'orders_created_at_id_idx'], true)], {
    environment: UNCACHED_PAGES,
  }),
  variants: [
    without(['orders_created_at_id_idx'], 'index (created_at, id), where (created_at) exists'),
    without(['orders_created_at_idx'], 'index (created_at), where (created_at, id) exists'),
    without(['orders_created_at_idx', 'orders_created_at_id_idx'], 'both indexes on created_at'),
  ],
}
