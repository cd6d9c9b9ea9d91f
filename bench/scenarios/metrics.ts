import { answeredFrom, exposesMetrics } from '../src/proofs/replies.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { LINKS } from './links.ts'
import { hotUsers } from './requests.ts'
import { tuned, withSettings } from './variants.ts'

export const metrics: Scenario = {
  name: 'metrics',
  title: 'Prometheus metrics',
  about: 'GET /users/:id from tier 1, with and without the histograms and counters behind /metrics.',
  guide: 'Production Considerations › Monitoring Production Performance',
  links: LINKS.metrics,
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 32,
  requests: hotUsers,
  tuned: tuned([answeredFrom('l1'), exposesMetrics(true)]),
  variants: [withSettings({ METRICS: 'off' }, 'metrics', [answeredFrom('l1')])],
}
