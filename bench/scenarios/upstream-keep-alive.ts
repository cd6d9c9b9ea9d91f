import { answers } from '../src/proofs/replies.ts'
import { proofOfSwitch } from '../src/proofs/switch.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { LINKS } from './links.ts'
import { NOT_SHARED, tuned, withSettings } from './variants.ts'

export const upstreamKeepAlive: Scenario = {
  name: 'upstream-keep-alive',
  title: 'Keep-alive to the upstream',
  about:
    'GET /aggregate?limit=20 on parallel-api, which requests orders, users and products from reference-api: over persistent connections, or over a new one for each request.',
  guide: 'API Performance › Connection Pooling',
  links: LINKS.keepAlive,
  service: 'parallel-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 8,
  requests: () => [{ path: '/aggregate?limit=20' }],
  upstream: true,
  tuned: tuned([answers(200), proofOfSwitch('HTTP_KEEP_ALIVE', 'on')], { environment: NOT_SHARED }),
  variants: [
    withSettings({ HTTP_KEEP_ALIVE: 'off' }, 'keep-alive to the upstream', [answers(200)], {
      environment: NOT_SHARED,
    }),
  ],
}
