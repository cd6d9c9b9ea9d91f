import type { Scenario } from '../src/run/scenario.ts'
import { LINKS } from './links.ts'
import { hotUsers } from './requests.ts'
import { READS_DATABASE, SENDS_ONE_STATEMENT_EACH, UNCACHED } from './uncached.ts'
import { tuned, withSettings } from './variants.ts'

export const dbBatching: Scenario = {
  name: 'db-batching',
  title: 'Batched reads',
  about:
    'GET /users/:id without caches, 50 callers: rows that are read at the same time come with one statement, or each with its own.',
  guide: 'API Performance › Connection Pooling',
  links: LINKS.batchedReads,
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 50,
  requests: hotUsers,
  tuned: tuned(READS_DATABASE, { environment: UNCACHED }),
  variants: [
    withSettings({ DB_BATCHING: 'off' }, 'batched reads', SENDS_ONE_STATEMENT_EACH, {
      environment: UNCACHED,
    }),
  ],
}
