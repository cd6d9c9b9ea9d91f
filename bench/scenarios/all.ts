import { answers, statementsPerRequest } from '../src/proofs/proofs.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { proofOf } from '../src/run/switches.ts'
import { tuned, withSettings } from './variants.ts'

export const all: Scenario = {
  name: 'all',
  title: 'Three tables at once',
  about:
    'GET /all?limit=100 on parallel-api: users, orders and products side by side, or one after the other. One caller at a time, since what is gained is that caller’s time.',
  guide: 'API Performance › Go API Optimization › Concurrency',
  service: 'parallel-api',
  inDefaultRun: true,
  primary: 'throughput',
  connections: 1,
  requests: () => [{ path: '/all?limit=100' }],
  tuned: tuned([answers(200), statementsPerRequest(3), proofOf('PARALLEL_FETCH', 'on')]),
  variants: [
    withSettings({ PARALLEL_FETCH: 'off' }, 'parallel fetch', [answers(200), statementsPerRequest(3)]),
  ],
}
