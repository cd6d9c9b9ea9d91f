import { answeredFrom, holdsSessions, statementsPerRequest } from '../src/proofs/proofs.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { hotUsers } from './paths.ts'
import { tuned, withSettings } from './variants.ts'

const uncached = { CACHE_L1: 'off', CACHE_L2: 'off' }
const readsDatabase = [answeredFrom('off'), statementsPerRequest(1)]

export const poolSize: Scenario = {
  name: 'pool-size',
  title: 'Connections to Postgres',
  about:
    'GET /users/:id without caches, 64 callers: every request is a query, through a pool of 30, 5 and 1 connections.',
  guide: 'API Performance › Connection Pooling',
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 64,
  requests: hotUsers,
  tuned: tuned([...readsDatabase, holdsSessions(50)], { environment: uncached }),
  variants: ['1', '5'].map((size) => {
    // Besides the main pool there are the one for slow queries and the queue's own.
    const variant = withSettings({ DB_POOL_MAX: size }, `a pool of 30 instead of ${size}`, [
      ...readsDatabase,
      holdsSessions(Number(size) * 3 + 12),
    ])
    return { ...variant, environment: { ...uncached, ...variant.environment } }
  }),
}
