import { statementsPerRequest } from '../src/proofs/database.ts'
import { answers } from '../src/proofs/replies.ts'
import { proofOfSwitch } from '../src/proofs/switch.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { LINKS } from './links.ts'
import { ALL_LISTS } from './requests.ts'
import { NOT_SHARED, tuned, withSettings } from './variants.ts'

export const all: Scenario = {
  name: 'all',
  title: 'Three tables at once',
  about:
    'GET /all?limit=100 on parallel-api: users, orders and products concurrently, or one after the other. One caller, because the gain is the latency of a single call.',
  guide: 'API Performance › Go API Optimization › Concurrency',
  links: LINKS.parallelFetch,
  service: 'parallel-api',
  inDefaultRun: true,
  primary: 'throughput',
  connections: 1,
  requests: () => ALL_LISTS,
  tuned: tuned([answers(200), statementsPerRequest(3), proofOfSwitch('PARALLEL_FETCH', 'on')], {
    environment: NOT_SHARED,
  }),
  variants: [
    withSettings({ PARALLEL_FETCH: 'off' }, 'parallel fetch', [answers(200), statementsPerRequest(3)], {
      environment: NOT_SHARED,
    }),
  ],
}
