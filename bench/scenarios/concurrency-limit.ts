import { answeredFrom } from '../src/proofs/replies.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { LINKS } from './links.ts'
import { allUsers } from './requests.ts'
import { READS_DATABASE, UNCACHED } from './uncached.ts'
import { tuned, withSettings } from './variants.ts'

export const concurrencyLimit: Scenario = {
  name: 'concurrency-limit',
  title: 'Limit of requests in flight',
  about:
    'GET /users/:id past both caches, below the limit: what counting the requests in flight costs. `pnpm bench overload` shows what it is worth.',
  guide: 'Production Considerations › Monitoring Production Performance',
  links: LINKS.overload,
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 50,
  requests: allUsers,
  tuned: tuned(READS_DATABASE, { environment: UNCACHED }),
  variants: [
    withSettings({ CONCURRENCY_LIMIT: 'off' }, 'the limit of requests in flight', [answeredFrom('off')], {
      environment: UNCACHED,
    }),
  ],
}
