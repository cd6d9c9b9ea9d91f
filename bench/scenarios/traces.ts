import { startedWith } from '../src/proofs/process.ts'
import { answeredFrom } from '../src/proofs/replies.ts'
import { exportsTraces } from '../src/proofs/sidecars.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { LINKS } from './links.ts'
import { hotUsers } from './requests.ts'
import { tuned } from './variants.ts'

export const traces: Scenario = {
  name: 'traces',
  title: 'Traces',
  about:
    'GET /users/:id from tier 1, without tracing and with 5 % of the traces kept and sent to a collector. The tuned side has no tracing, which is the default.',
  guide: 'Production Considerations › Monitoring Production Performance',
  links: LINKS.traces,
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 32,
  requests: hotUsers,
  tuned: tuned([answeredFrom('l1'), startedWith('NODE_OPTIONS', undefined)]),
  variants: [
    {
      name: '5 % of the traces',
      label: 'no traces instead of 5 %',
      environment: {},
      tracesKept: 0.05,
      proofs: [answeredFrom('l1'), exportsTraces()],
    },
  ],
}
