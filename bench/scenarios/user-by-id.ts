import { setTimeout as sleep } from 'node:timers/promises'
import { answeredFrom, statementsPerRequest, usesRedis } from '../src/proofs/proofs.ts'
import type { Scenario } from '../src/run/scenario.ts'
import type { BenchStack } from '../src/stack/stack.ts'
import { allUsers, hotUsers } from './paths.ts'
import { tuned, withSettings } from './variants.ts'

export const userById: Scenario = {
  name: 'user-by-id',
  title: 'One user by id',
  about:
    'GET /users/:id over 1,000 users that are asked for again and again: from tier 1 (in the process), from tier 2 (Redis), from Postgres; and over users that no tier holds yet.',
  guide: 'API Performance › Caching Strategy',
  service: 'reference-api',
  inDefaultRun: true,
  primary: 'throughput',
  connections: 32,
  requests: hotUsers,
  tuned: tuned([answeredFrom('l1'), statementsPerRequest(0), usesRedis(false)]),
  variants: [
    withSettings({ CACHE_L1: 'off' }, 'cache tier 1', [
      answeredFrom('l2'),
      statementsPerRequest(0),
      usesRedis(true),
    ]),
    withSettings({ CACHE_L1: 'off', CACHE_L2: 'off' }, 'both cache tiers', [
      answeredFrom('off'),
      statementsPerRequest(1),
      usesRedis(false),
    ]),
    {
      name: 'miss',
      label: 'a filled cache',
      environment: {},
      requests: allUsers,
      before: emptyCaches,
      proofs: [answeredFrom('miss'), statementsPerRequest(1), usesRedis(true)],
    },
    withSettings(
      { CACHE_L2: 'off' },
      'cache tier 2, where tier 1 has the row',
      [answeredFrom('l1'), usesRedis(false)],
      { fullOnly: true },
    ),
  ],
}

/**
 * Empties Redis, which tells each process to empty its own tier, and waits until the service has heard it. It is asked
 * for the users that the measurement comes to last.
 */
async function emptyCaches({ redis, world }: BenchStack, origin: string): Promise<void> {
  await redis?.flushall()
  for (const { path } of allUsers(world).slice(-50).toReversed()) {
    const answer = await fetch(`${origin}${path}`)
    await answer.arrayBuffer()
    if (answer.headers.get('x-cache') === 'miss') return
    await sleep(20)
  }
}
