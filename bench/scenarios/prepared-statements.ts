import { proofOfSwitch } from '../src/proofs/switch.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { hotUsers } from './requests.ts'
import { READS_DATABASE, UNCACHED } from './uncached.ts'
import { tuned, withSettings } from './variants.ts'

export const preparedStatements: Scenario = {
  name: 'prepared-statements',
  title: 'Prepared statements',
  about:
    'GET /users/:id without caches: every request is a query, prepared in the server or planned at each execution.',
  guide: 'Database Performance › PostgreSQL › Connection Pooling',
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 32,
  requests: hotUsers,
  tuned: tuned([...READS_DATABASE, proofOfSwitch('DB_PREPARE', 'on')], { environment: UNCACHED }),
  variants: [
    withSettings({ DB_PREPARE: 'off' }, 'prepared statements', READS_DATABASE, { environment: UNCACHED }),
  ],
}
