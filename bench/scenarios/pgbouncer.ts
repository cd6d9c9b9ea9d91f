import { throughPgbouncer } from '../src/proofs/sidecars.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { PGBOUNCER } from '../src/stack/pgbouncer.ts'
import { LINKS } from './links.ts'
import { hotUsers } from './requests.ts'
import { READS_DATABASE, SENDS_ONE_STATEMENT_EACH, UNCACHED } from './uncached.ts'
import { tuned, withSettings } from './variants.ts'

export const pgbouncer: Scenario = {
  name: 'pgbouncer',
  title: 'PgBouncer in front of Postgres',
  about:
    'GET /users/:id without caches: every request reads its row, through PgBouncer (transaction mode, prepared statements) as shipped in infra, and directly to Postgres. The scenario shows the cost for one service; the purpose of PgBouncer is to share few connections between many services.',
  guide: 'Database Performance › PostgreSQL › Connection Pooling',
  links: LINKS.pgbouncer,
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 32,
  requests: hotUsers,
  tuned: tuned([...READS_DATABASE, throughPgbouncer('prepared')], {
    label: 'through PgBouncer',
    environment: UNCACHED,
    pooler: PGBOUNCER,
  }),
  variants: [
    {
      name: 'direct',
      label: 'PgBouncer in front of Postgres',
      environment: UNCACHED,
      proofs: [...READS_DATABASE, throughPgbouncer('direct')],
    },
    withSettings(
      { DB_PREPARE: 'off' },
      'prepared statements through PgBouncer',
      [...READS_DATABASE, throughPgbouncer('unprepared')],
      { links: LINKS.preparedStatements, environment: UNCACHED, pooler: PGBOUNCER },
    ),
    withSettings(
      { DB_BATCHING: 'off' },
      'batching through PgBouncer',
      [...SENDS_ONE_STATEMENT_EACH, throughPgbouncer('prepared')],
      { links: LINKS.batchedReads, environment: UNCACHED, pooler: PGBOUNCER },
    ),
  ],
}
