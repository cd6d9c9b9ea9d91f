import { statementsBelow, statementsPerRequest } from '../src/proofs/database.ts'
import { answers } from '../src/proofs/replies.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { LINKS } from './links.ts'
import { ALL_LISTS } from './requests.ts'
import { tuned, withSettings } from './variants.ts'

export const sharedReads: Scenario = {
  name: 'shared-reads',
  title: 'Identical calls share a read',
  about:
    'GET /all?limit=100 on parallel-api, 50 callers that all ask for the same: one run at a time and one that is queued serve all of them, or each call makes its own three statements. Only identical calls at the same time gain.',
  guide: 'API Performance › Go API Optimization › Concurrency',
  links: LINKS.sharedReads,
  service: 'parallel-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 50,
  requests: () => ALL_LISTS,
  tuned: tuned([answers(200), statementsBelow(1)]),
  variants: [withSettings({ SHARED_READS: 'off' }, 'shared reads', [answers(200), statementsPerRequest(3)])],
}
