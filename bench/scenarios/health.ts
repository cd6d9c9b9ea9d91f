import { answers } from '../src/proofs/replies.ts'
import { proofOfSwitch } from '../src/proofs/switch.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { LINKS } from './links.ts'
import { tuned, withSettings } from './variants.ts'

export const health: Scenario = {
  name: 'health',
  title: 'Liveness',
  about: 'GET /health: no I/O, no cache. The upper limit of this machine for all other scenarios.',
  guide: 'Benchmarking › API Benchmarks',
  links: LINKS.hotRoutes,
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 32,
  requests: () => [{ path: '/health' }],
  tuned: tuned([answers(200), proofOfSwitch('HTTP_FAST_PATH', 'on')]),
  variants: [withSettings({ HTTP_FAST_PATH: 'off' }, 'the fast path', [answers(200)])],
}
