import { createRandom } from '@reference/async/testing'
import type { Request } from '../src/load/request.ts'
import { startedWith } from '../src/proofs/process.ts'
import { answeredFrom, answers, hitRatio, type Range } from '../src/proofs/replies.ts'
import type { Scenario, Variant } from '../src/run/scenario.ts'
import { type Dataset, scatteredIds } from '../src/stack/dataset.ts'
import { zipf } from '../src/stack/zipf.ts'
import { LINKS } from './links.ts'
import { orderPages, renameUser, WRITE_SHARE } from './requests.ts'
import { UNCACHED } from './uncached.ts'
import { tuned, withSettings } from './variants.ts'

/** The exponent of the Zipf distribution: that of YCSB, near 1 as in traces of web caches. */
const ZIPF_EXPONENT = 0.99
/**
 * Two samples of the same distribution. The load at the fixed rate follows the closed loop at once: with the same sample its rows
 * had just been read, and 0.92 of the replies of `mixed-wide` came from tier 1 instead of 0.57.
 */
const SEEDS = { closed: 20_261_129, open: 20_261_130 } as const
/** Long enough that the sample of users does not repeat within a slice of the load. */
const REQUESTS = 20_000

/** A tier 2 that the variants beside it neither fill nor invalidate. */
const OWN_REDIS = { ownRedis: true } as const

type Settings = Variant['environment']

interface Mix {
  /** Number of users that are requested, by a Zipf distribution. */
  readonly keySpace: number
  /** Share of the reads that go to any of the orders, each equally likely. */
  readonly scattered?: number
}

/** The requests of the closed loop and those at a fixed rate. */
function loads(of: Mix): Pick<Scenario, 'requests' | 'open'> {
  return {
    requests: mix(of, SEEDS.closed),
    // Below the saturation of the variant without caches, so that the percentiles show service time and not a queue.
    open: { requests: mix(of, SEEDS.open), ratePerSecond: 500, leastMs: 2000 },
  }
}

/** 5 % updates of a user; of the reads that are not scattered: 65 % users, 15 % products, 20 % pages of orders. */
function mix({ keySpace, scattered = 0 }: Mix, seed: number): (dataset: Dataset) => Request[] {
  return ({ users, products, orders }) => {
    const random = createRandom(seed)
    const pages = orderPages('gzip')()
    const user = skewed(users, keySpace)
    const product = skewed(products, products)
    return Array.from({ length: REQUESTS }, (): Request => {
      if (random() < WRITE_SHARE) return renameUser(user(random()))
      if (random() < scattered) return { path: `/orders/${1 + Math.floor(random() * orders)}` }
      const kind = random()
      if (kind < 0.65) return { path: `/users/${user(random())}` }
      if (kind < 0.8) return { path: `/products/${product(random())}` }
      return pages[Math.floor(random() * pages.length)] ?? { path: '/orders' }
    })
  }
}

/** Ids from a uniform random number: few of them often, most of them seldom. */
function skewed(rows: number, keySpace: number): (random: number) => number {
  const ids = scatteredIds(rows, keySpace)
  const rank = zipf(ids.length, ZIPF_EXPONENT)
  return (random) => ids[rank(random)] ?? 1
}

const COMMON = {
  guide: 'API Performance › Caching Strategy',
  links: LINKS.cache,
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 32,
  counted: 200,
} as const satisfies Partial<Scenario>

const LOAD =
  'The rate is that of 32 callers without pauses; the percentiles are those of 500 requests a second, below saturation, from callers that do not wait for each other.'

/** Pages of orders are stored in tier 1 only, so a variant without tier 1 renders each page. */
function withoutTier1(hits: Range, environment: Settings = {}): Variant {
  const proofs = [answers(200), hitRatio(hits, { l2: hits })]
  return withSettings({ CACHE_L1: 'off' }, 'cache tier 1 and stored pages', proofs, {
    ...OWN_REDIS,
    links: LINKS.tier1,
    environment,
  })
}

function withoutCaches(environment: Settings = {}): Variant {
  const proofs = [answers(200), answeredFrom('off')]
  return withSettings(UNCACHED, 'both cache tiers and stored pages', proofs, { ...OWN_REDIS, environment })
}

export const mixed: Scenario = {
  ...COMMON,
  name: 'mixed',
  title: 'Mixed traffic, most reads from tier 1',
  about: `Reads of users, products and pages of orders, and 5 % updates of users, over 1,000 users by a Zipf distribution. Tier 1 holds all of them; an update makes the next read of its user a miss. ${LOAD}`,
  ...loads({ keySpace: 1000 }),
  tuned: tuned([answers(200), hitRatio([0.7, 0.99], { l1: [0.5, 0.99] })], OWN_REDIS),
  variants: [withoutTier1([0.55, 0.9]), withoutCaches()],
}

/** Tier 1 as in a process that has room for a tenth of the requested rows. */
const SMALL_TIER_1 = { CACHE_L1_MAX_ENTRIES: '1000' }

export const mixedWide: Scenario = {
  ...COMMON,
  name: 'mixed-wide',
  title: 'Mixed traffic, reads from both tiers',
  about: `The mix over 10,000 users, with a tier 1 of 1,000 entries: frequent rows come from tier 1, the others from Redis. ${LOAD}`,
  ...loads({ keySpace: 10_000 }),
  tuned: tuned(
    [
      answers(200),
      startedWith('CACHE_L1_MAX_ENTRIES', '1000'),
      hitRatio([0.6, 0.99], { l1: [0.25, 0.85], l2: [0.05, 0.7] }),
    ],
    { ...OWN_REDIS, label: 'as shipped, with 1,000 entries in tier 1', environment: SMALL_TIER_1 },
  ),
  variants: [withoutTier1([0.5, 0.9], SMALL_TIER_1), withoutCaches(SMALL_TIER_1)],
}

/** Stands for a key space of which most keys are requested less than once in the usual TTL of five minutes. */
const SHORT_TTL = { CACHE_TTL_SECONDS: '1' }

export const mixedCold: Scenario = {
  ...COMMON,
  name: 'mixed-cold',
  title: 'Mixed traffic, most reads miss',
  about: `The mix over 1,000 users for 30 % of the reads; the other reads are for any of all orders. Rows expire after a second, so most orders are in no tier when they are requested. ${LOAD}`,
  ...loads({ keySpace: 1000, scattered: 0.7 }),
  tuned: tuned([answers(200), startedWith('CACHE_TTL_SECONDS', '1'), hitRatio([0.05, 0.5])], {
    ...OWN_REDIS,
    label: 'as shipped, with a TTL of a second',
    environment: SHORT_TTL,
  }),
  variants: [withoutCaches(SHORT_TTL)],
}
