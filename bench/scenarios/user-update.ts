import { answers } from '../src/proofs/replies.ts'
import { proofOfSwitch } from '../src/proofs/switch.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { scatteredIds } from '../src/stack/dataset.ts'
import { LINKS } from './links.ts'
import { renameUser } from './requests.ts'
import { tuned, withSettings } from './variants.ts'

export const userUpdate: Scenario = {
  name: 'user-update',
  title: 'Update of a user',
  about:
    'PATCH /users/:id: a transaction, then the invalidation of the cached row. The outbox costs an insert in the transaction and guarantees that no replica keeps the old row.',
  guide: 'API Performance › Caching Strategy',
  links: LINKS.outbox,
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 16,
  requests: ({ users }) => scatteredIds(users, 2000).map(renameUser),
  tuned: tuned([answers(200), proofOfSwitch('CACHE_OUTBOX', 'on')]),
  variants: [withSettings({ CACHE_OUTBOX: 'off' }, 'the outbox', [answers(200)])],
}
