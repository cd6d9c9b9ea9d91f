import { usesRedis } from '../src/proofs/database.ts'
import { answeredFrom } from '../src/proofs/replies.ts'
import { proofOfSwitch } from '../src/proofs/switch.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { LINKS } from './links.ts'
import { hotUsers } from './requests.ts'
import { tuned, withSettings } from './variants.ts'

const environment = { CACHE_L1: 'off' }
const proofs = [answeredFrom('l2'), usesRedis(true)]

export const autoPipelining: Scenario = {
  name: 'auto-pipelining',
  title: 'Auto-pipelining to Redis',
  about:
    'GET /users/:id from tier 2, 64 callers: the commands of one turn of the event loop in one write, or one by one.',
  guide: 'Redis Cluster Optimization › Connection Pooling',
  links: LINKS.autoPipelining,
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 64,
  requests: hotUsers,
  tuned: tuned([...proofs, proofOfSwitch('REDIS_AUTO_PIPELINING', 'on')], { environment, needsRedis: true }),
  variants: [withSettings({ REDIS_AUTO_PIPELINING: 'off' }, 'auto-pipelining', proofs, { environment })],
}
