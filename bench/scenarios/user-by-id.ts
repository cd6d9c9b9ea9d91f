import { setTimeout as sleep } from 'node:timers/promises'
import {
  batchesStatements,
  statementsAtMost,
  statementsPerRequest,
  usesRedis,
} from '../src/proofs/database.ts'
import { answeredFrom } from '../src/proofs/replies.ts'
import { proofOfSwitch } from '../src/proofs/switch.ts'
import type { Scenario } from '../src/run/scenario.ts'
import type { BenchStack } from '../src/stack/stack.ts'
import { LINKS } from './links.ts'
import { allUsers, hotUsers } from './requests.ts'
import { tuned, withSettings } from './variants.ts'

export const userById: Scenario = {
  name: 'user-by-id',
  title: 'One user by id',
  about:
    'GET /users/:id over 1,000 users that are requested again and again: from tier 1 (in the process), from tier 2 (Redis), from Postgres; and over users that are in no tier yet.',
  guide: 'API Performance › Caching Strategy',
  links: LINKS.cache,
  service: 'reference-api',
  inDefaultRun: true,
  primary: 'throughput',
  connections: 32,
  requests: hotUsers,
  tuned: tuned([
    answeredFrom('l1'),
    statementsPerRequest(0),
    usesRedis(false),
    proofOfSwitch('HTTP_FAST_PATH', 'on'),
  ]),
  variants: [
    withSettings({ HTTP_FAST_PATH: 'off' }, 'the fast path', [answeredFrom('l1')], {
      links: LINKS.hotRoutes,
    }),
    withSettings(
      { CACHE_L1: 'off' },
      'cache tier 1',
      [answeredFrom('l2'), statementsPerRequest(0), usesRedis(true)],
      { links: LINKS.tier1, needsRedis: true },
    ),
    withSettings({ CACHE_L1: 'off', CACHE_L2: 'off' }, 'both cache tiers', [
      answeredFrom('off'),
      batchesStatements(true),
      usesRedis(false),
    ]),
    {
      name: 'miss',
      label: 'a filled cache',
      environment: {},
      requests: allUsers,
      fullOnly: true,
      ownRedis: true,
      before: emptyCaches,
      proofs: [answeredFrom('miss'), statementsAtMost(1), usesRedis(true)],
    },
    withSettings(
      { CACHE_L2: 'off' },
      'cache tier 2, where tier 1 has the row',
      [answeredFrom('l1'), usesRedis(false)],
      { links: LINKS.tier2, fullOnly: true, needsRedis: true },
    ),
  ],
}

/**
 * Empties Redis, which notifies each process to empty its tier 1, and waits for the first miss. The requests are for the
 * users that the measurement requests last.
 */
async function emptyCaches({ redis, dataset }: BenchStack, origin: string): Promise<void> {
  await redis?.flushall()
  for (const { path } of allUsers(dataset).slice(-50).toReversed()) {
    const reply = await fetch(`${origin}${path}`)
    await reply.arrayBuffer()
    if (reply.headers.get('x-cache') === 'miss') return
    await sleep(20)
  }
}
