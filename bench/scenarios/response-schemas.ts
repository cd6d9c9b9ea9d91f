import { startedWith } from '../src/proofs/process.ts'
import { answers } from '../src/proofs/replies.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { LINKS } from './links.ts'
import { NOT_SHARED, tuned, withSettings } from './variants.ts'

export const responseSchemas: Scenario = {
  name: 'response-schemas',
  title: 'Serialising by schema',
  about:
    'GET /aggregate?limit=20 on parallel-api: each reply is serialised from objects, by the compiled schema or by JSON.stringify.',
  guide: 'API Performance › FastAPI Optimization',
  links: LINKS.responseSchemas,
  service: 'parallel-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 8,
  requests: () => [{ path: '/aggregate?limit=20' }],
  upstream: true,
  tuned: tuned([answers(200), startedWith('RESPONSE_SCHEMAS', undefined)], { environment: NOT_SHARED }),
  variants: [
    withSettings({ RESPONSE_SCHEMAS: 'off' }, 'response schemas', [answers(200)], {
      environment: NOT_SHARED,
    }),
  ],
}
