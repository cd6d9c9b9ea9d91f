import { answeredFrom, statementsPerRequest } from '../src/proofs/proofs.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { proofOf } from '../src/run/switches.ts'
import { hotUsers } from './paths.ts'
import { tuned, withSettings } from './variants.ts'

const uncached = { CACHE_L1: 'off', CACHE_L2: 'off' }
const readsDatabase = [answeredFrom('off'), statementsPerRequest(1)]
const unprepared = withSettings({ DB_PREPARE: 'off' }, 'prepared statements', readsDatabase)

export const preparedStatements: Scenario = {
  name: 'prepared-statements',
  title: 'Prepared statements',
  about: 'GET /users/:id without caches: every request is a query, prepared in the server or planned anew.',
  guide: 'Database Performance › PostgreSQL › Connection Pooling',
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 32,
  requests: hotUsers,
  tuned: tuned([...readsDatabase, proofOf('DB_PREPARE', 'on')], { environment: uncached }),
  variants: [{ ...unprepared, environment: { ...uncached, ...unprepared.environment } }],
}
