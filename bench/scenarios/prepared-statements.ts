import { proofOfSwitch } from '../src/proofs/switch.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { LINKS } from './links.ts'
import { hotUsers } from './requests.ts'
import { ONE_STATEMENT_EACH, SENDS_ONE_STATEMENT_EACH } from './uncached.ts'
import { tuned, withSettings } from './variants.ts'

export const preparedStatements: Scenario = {
  name: 'prepared-statements',
  title: 'Prepared statements',
  about:
    'GET /users/:id without caches and batching: every request is a query, prepared in the server or planned at each execution.',
  guide: 'Database Performance › PostgreSQL › Connection Pooling',
  links: LINKS.preparedStatements,
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 32,
  requests: hotUsers,
  tuned: tuned([...SENDS_ONE_STATEMENT_EACH, proofOfSwitch('DB_PREPARE', 'on')], {
    environment: ONE_STATEMENT_EACH,
  }),
  variants: [
    withSettings({ DB_PREPARE: 'off' }, 'prepared statements', SENDS_ONE_STATEMENT_EACH, {
      environment: ONE_STATEMENT_EACH,
    }),
  ],
}
