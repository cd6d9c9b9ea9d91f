import { holdsSessions } from '../src/proofs/database.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { LINKS } from './links.ts'
import { hotUsers } from './requests.ts'
import { ONE_STATEMENT_EACH, SENDS_ONE_STATEMENT_EACH } from './uncached.ts'
import { tuned, withSettings } from './variants.ts'

export const poolSize: Scenario = {
  name: 'pool-size',
  title: 'Connections to Postgres',
  about:
    'GET /users/:id without caches and batching, 64 callers: every request is a query, through a pool of 30, 5 and 1 connections.',
  guide: 'API Performance › Connection Pooling',
  links: LINKS.pool,
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 64,
  requests: hotUsers,
  tuned: tuned([...SENDS_ONE_STATEMENT_EACH, holdsSessions(50)], { environment: ONE_STATEMENT_EACH }),
  variants: ['1', '5'].map((size) =>
    withSettings(
      { DB_POOL_MAX: size },
      `a pool of 30 instead of ${size}`,
      // Besides the main pool, the pool for slow queries and the job queue have sessions.
      [...SENDS_ONE_STATEMENT_EACH, holdsSessions(Number(size) * 3 + 12)],
      { environment: ONE_STATEMENT_EACH },
    ),
  ),
}
