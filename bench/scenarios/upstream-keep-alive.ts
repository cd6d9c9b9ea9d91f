import { answers } from '../src/proofs/proofs.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { proofOf } from '../src/run/switches.ts'
import { tuned, withSettings } from './variants.ts'

export const upstreamKeepAlive: Scenario = {
  name: 'upstream-keep-alive',
  title: 'Keep-alive to the upstream',
  about:
    'GET /aggregate?limit=20 on parallel-api, which asks reference-api for orders, users and products: over connections that stay open, or new ones each time.',
  guide: 'API Performance › Connection Pooling',
  service: 'parallel-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 8,
  requests: () => [{ path: '/aggregate?limit=20' }],
  upstream: true,
  tuned: tuned([answers(200), proofOf('HTTP_KEEP_ALIVE', 'on')]),
  variants: [withSettings({ HTTP_KEEP_ALIVE: 'off' }, 'keep-alive to the upstream', [answers(200)])],
}
