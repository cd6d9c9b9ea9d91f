import { answeredFrom, usesRedis } from '../src/proofs/proofs.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { proofOf } from '../src/run/switches.ts'
import { hotUsers } from './paths.ts'
import { tuned, withSettings } from './variants.ts'

const tier2 = { CACHE_L1: 'off' }
const single = withSettings({ REDIS_AUTO_PIPELINING: 'off' }, 'auto-pipelining', [
  answeredFrom('l2'),
  usesRedis(true),
])

export const autoPipelining: Scenario = {
  name: 'auto-pipelining',
  title: 'Auto-pipelining to Redis',
  about:
    'GET /users/:id from tier 2, 64 callers: the commands of one turn of the event loop in one write, or one by one.',
  guide: 'Redis Cluster Optimization › Connection Pooling',
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 64,
  requests: hotUsers,
  tuned: tuned([answeredFrom('l2'), usesRedis(true), proofOf('REDIS_AUTO_PIPELINING', 'on')], {
    environment: tier2,
  }),
  variants: [{ ...single, environment: { ...tier2, ...single.environment } }],
}
