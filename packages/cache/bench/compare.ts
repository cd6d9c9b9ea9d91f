/**
 * This cache beside three others on one Redis, in one run: `pnpm --filter @reference/cache bench`. The contenders take
 * turns within each round, so that whatever else the machine does meets all of them; the table shows medians.
 */
import { startRedis } from '@reference/local-stack'
import { type Contender, contenders, type Tiers, type User } from './contenders.ts'

const ROUNDS = Number(process.env.ROUNDS ?? 7)
const MS_EACH = Number(process.env.MS_EACH ?? 300)
const KEYS = 1_000
const BATCH = 50

let turn = 0

const load = async (id: number): Promise<User> => ({
  id,
  email: `user${id}@example.com`,
  name: `User number ${id}`,
  createdAt: '2026-01-01T00:00:00.000Z',
})

interface Scenario {
  name: string
  tiers: Tiers
  /** How many reads are in flight at a time. */
  concurrency: number
  warm: boolean
  once(contender: Contender, turn: number): Promise<unknown>
}

const scenarios: Scenario[] = [
  {
    name: 'tier-1 hit',
    tiers: 'l1',
    concurrency: 1,
    warm: true,
    once: (cache, turn) => cache.get(turn % KEYS),
  },
  {
    name: 'tier-1 hit, as the body of a reply',
    tiers: 'l1',
    concurrency: 1,
    warm: true,
    once: (cache, turn) => cache.body(turn % KEYS),
  },
  {
    name: 'tier-2 hit',
    tiers: 'l2',
    concurrency: 16,
    warm: true,
    once: (cache, turn) => cache.get(turn % KEYS),
  },
  {
    name: 'miss',
    tiers: 'both',
    concurrency: 16,
    warm: false,
    once: (cache, turn) => cache.get(KEYS + turn),
  },
  {
    name: `getMany of ${BATCH}, in tier 2`,
    tiers: 'l2',
    concurrency: 1,
    warm: true,
    once: (cache, turn) =>
      cache.getMany(Array.from({ length: BATCH }, (_, index) => (turn * BATCH + index) % KEYS)),
  },
]

const redis = await startRedis({ settings: { maxmemory: '512mb' } })
try {
  const rows: string[][] = []
  for (const scenario of scenarios) {
    const rates = await measure(scenario)
    const ours = rates.get('this cache') ?? Number.NaN
    rows.push([
      scenario.name,
      ...[...rates].map(([name, rate]) =>
        name === 'this cache' ? perSecond(rate) : `${perSecond(rate)} (${(ours / rate).toFixed(1)}×)`,
      ),
    ])
  }
  console.log(`| reads a second | ${Object.keys(contenders).join(' | ')} |`)
  console.log(
    `|---|${Object.keys(contenders)
      .map(() => '---:|')
      .join('')}`,
  )
  for (const row of rows) console.log(`| ${row.join(' | ')} |`)
} finally {
  await redis.stop()
}

async function measure(scenario: Scenario): Promise<Map<string, number>> {
  const opened = await openAll(scenario)
  const rates = new Map(opened.map(({ name }): [string, number[]] => [name, []]))
  for (let round = 0; round <= ROUNDS; round++) {
    for (let place = 0; place < opened.length; place++) {
      const contender = opened[(place + round) % opened.length]
      if (contender === undefined) continue
      const rate = await readsPerSecond(scenario, contender)
      // The first round only warms up.
      if (round > 0) rates.get(contender.name)?.push(rate)
    }
  }
  for (const contender of opened) await contender.close()
  return new Map(
    [...rates].map(([name, list]) => [name, list.sort((a, b) => a - b)[list.length >> 1] ?? Number.NaN]),
  )
}

async function openAll({ tiers, warm }: Scenario): Promise<Contender[]> {
  const opened: Contender[] = []
  for (const open of Object.values(contenders)) {
    const contender = await open(redis.url, tiers, load)
    opened.push(contender)
    if (warm) for (let id = 0; id < KEYS; id++) await contender.get(id)
    const user = await contender.get(1)
    if (user?.email !== 'user1@example.com') throw new Error(`${contender.name} does not answer the row`)
  }
  return opened
}

async function readsPerSecond(scenario: Scenario, contender: Contender): Promise<number> {
  const startedAt = performance.now()
  const until = startedAt + MS_EACH
  let done = 0
  const worker = async () => {
    while (performance.now() < until) {
      await scenario.once(contender, turn++)
      // As in a service, where the event loop turns all the time.
      if (++done % 64 === 0) await new Promise(setImmediate)
    }
  }
  await Promise.all(Array.from({ length: scenario.concurrency }, worker))
  return (done / (performance.now() - startedAt)) * 1_000
}

function perSecond(rate: number): string {
  return rate >= 10_000 ? `${Math.round(rate / 1_000)} k` : `${(rate / 1_000).toFixed(1)} k`
}
