import { answeredFrom, statementsPerRequest, throughPgbouncer } from '../src/proofs/proofs.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { pgbouncer as pooler } from '../src/stack/pgbouncer.ts'
import { hotUsers } from './paths.ts'
import { tuned, withSettings } from './variants.ts'

const uncached = { CACHE_L1: 'off', CACHE_L2: 'off' }
const readsDatabase = [answeredFrom('off'), statementsPerRequest(1)]
const unprepared = withSettings({ DB_PREPARE: 'off' }, 'prepared statements through PgBouncer', [
  ...readsDatabase,
  throughPgbouncer('unprepared'),
])

export const pgbouncer: Scenario = {
  name: 'pgbouncer',
  title: 'PgBouncer on the way to Postgres',
  about:
    'GET /users/:id without caches: every request is a query, through PgBouncer (transaction mode, prepared statements) as infra ships it, and straight to Postgres. What it costs one service; what it is for is that many services share few connections.',
  guide: 'Database Performance › PostgreSQL › Connection Pooling',
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 32,
  requests: hotUsers,
  tuned: tuned([...readsDatabase, throughPgbouncer('prepared')], {
    label: 'through PgBouncer',
    environment: uncached,
    pooler,
  }),
  variants: [
    {
      name: 'direct',
      label: 'PgBouncer on the way',
      environment: uncached,
      proofs: [...readsDatabase, throughPgbouncer('direct')],
    },
    { ...unprepared, environment: { ...uncached, ...unprepared.environment }, pooler },
  ],
}
