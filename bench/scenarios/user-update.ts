import { json, type Request, scatteredIds, type World } from '../src/load/request.ts'
import { answers } from '../src/proofs/proofs.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { proofOf } from '../src/run/switches.ts'
import { tuned, withSettings } from './variants.ts'

const updates = ({ users }: World): Request[] =>
  scatteredIds(users, 2000).map((id) => ({
    method: 'PATCH',
    path: `/users/${id}`,
    headers: json,
    body: JSON.stringify({ name: `Renamed ${id}` }),
  }))

export const userUpdate: Scenario = {
  name: 'user-update',
  title: 'Update of a user',
  about:
    'PATCH /users/:id: a transaction, then the invalidation of the cached row. The outbox costs an insert in the transaction and guarantees that no replica keeps the old row.',
  guide: 'API Performance › Caching Strategy',
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 16,
  requests: updates,
  tuned: tuned([answers(200), proofOf('CACHE_OUTBOX', 'on')]),
  variants: [withSettings({ CACHE_OUTBOX: 'off' }, 'the outbox', [answers(200)])],
}
