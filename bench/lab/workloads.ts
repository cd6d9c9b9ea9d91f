import { createRandom } from '@reference/async/testing'
import { type Setting, settings } from '@reference/config'
import type { ServiceName } from '@reference/shop/services'
import { scenarios } from '../scenarios/index.ts'
import { renameUser } from '../scenarios/requests.ts'
import type { Request } from '../src/load/request.ts'
import { tuningSwitches } from '../src/run/switches.ts'
import { type Dataset, scatteredIds } from '../src/stack/dataset.ts'
import { zipf } from '../src/stack/zipf.ts'
import type { About, LoadSettings } from './protocol.ts'

/** Requests to one service, for both copies alike. */
export interface Workload {
  readonly name: string
  readonly title: string
  readonly about: string
  readonly service: ServiceName
  readonly callers: number
  readonly ratePerSecond: number
  /** The figure of the headline. */
  readonly primary: 'rate' | 'p99'
  /** Settings of both copies. */
  readonly environment: Readonly<Record<string, string>>
  readonly everyCore: boolean
  readonly upstream: boolean
  /**
   * `turns`: slices of the closed loop, then one at the fixed rate. `beside`: both at the same time. `paced`: only the fixed rate, so that
   * both copies do the same work.
   */
  readonly shape: 'turns' | 'beside' | 'paced'
  /** Of the closed loop. */
  requests(dataset: Dataset, load: LoadSettings): readonly Request[]
  /** At the fixed rate, one after the other. */
  pacedRequests(dataset: Dataset, load: LoadSettings): readonly Request[]
}

/** The workload whose hit ratio and share of writes can be chosen. */
export const MIX = 'users'
/** Users that are requested again and again: `HOT_USERS` of them, or half of all. */
const HOT_USERS = 1000
const ZIPF_EXPONENT = 0.99
const MOST_REQUESTS = 40_000
/** Scenarios whose switches the mix shows. */
const SHOWN_BY_MIX: Readonly<Record<string, string>> = {
  'user-by-id': '',
  'user-update': 'with a share of writes above 0',
  'db-batching': 'with a hit ratio near 0: rows that Postgres reads',
}
const DEFAULT_RATE = 400

const users: Workload = {
  name: MIX,
  title: 'Users by id, reads and writes',
  about:
    'GET /users/:id and PATCH /users/:id. The hit ratio is the share of the reads that go to a few hot users, by a Zipf distribution; the other reads are for users that are in no tier. A write makes the next read of its user a miss.',
  service: 'reference-api',
  callers: 32,
  ratePerSecond: DEFAULT_RATE,
  primary: 'rate',
  environment: {},
  everyCore: false,
  upstream: false,
  shape: 'turns',
  requests: (dataset, load) => mix(dataset, load, 20_261_129),
  pacedRequests: (dataset, load) => mix(dataset, load, 20_261_130),
}

/** The mix, and each scenario that a switch of the settings table names. */
export const workloads: readonly Workload[] = [users, ...scenariosOfSwitches()]

/** The ids of the users that are requested again and again; those of all others are above the last of them in the scattered order. */
export function hotIds({ users }: Dataset): readonly number[] {
  return scatteredIds(users).slice(0, Math.min(HOT_USERS, users >> 1))
}

/** Reads of users that are in no tier before their rows are requested a second time. */
export function coldReads({ users }: Dataset): number {
  return users - Math.min(HOT_USERS, users >> 1)
}

function scenariosOfSwitches(): Workload[] {
  const named = new Set(tuningSwitches().map(({ scenario }) => scenario))
  return scenarios
    .filter(({ name }) => named.has(name) && !Object.hasOwn(SHOWN_BY_MIX, name))
    .map((scenario): Workload => {
      const { name, title, about, service, connections, primary, open, pacedPerSecond } = scenario
      return {
        ...{ name, title, about, service },
        callers: connections,
        ratePerSecond: pacedPerSecond ?? open?.ratePerSecond ?? paceOf(scenario.service),
        primary: primary === 'throughput' ? 'rate' : 'p99',
        environment: scenario.tuned.environment,
        everyCore: scenario.everyCore ?? false,
        upstream: scenario.upstream ?? false,
        shape: pacedPerSecond !== undefined ? 'paced' : open?.beside ? 'beside' : 'turns',
        requests: (dataset) => scenario.requests(dataset),
        pacedRequests: (dataset) => (open?.requests ?? scenario.requests)(dataset),
      }
    })
}

/** Below the saturation of a call of the service. */
function paceOf(service: ServiceName): number {
  const paces: Partial<Record<ServiceName, number>> = {
    'parallel-api': 50, // 300 rows
  }
  return paces[service] ?? DEFAULT_RATE
}

function mix(dataset: Dataset, { hitRatio, writeShare }: LoadSettings, seed: number): Request[] {
  const random = createRandom(seed)
  const all = scatteredIds(dataset.users)
  const hot = hotIds(dataset)
  const cold = all.slice(hot.length)
  const rank = zipf(hot.length, ZIPF_EXPONENT)
  const coldShare = (1 - hitRatio) * (1 - writeShare)
  // No cold user twice in a list, whose number of cold reads is random.
  const count = Math.floor(Math.min(MOST_REQUESTS, coldShare === 0 ? 4000 : (0.95 * cold.length) / coldShare))
  let nextCold = seed % cold.length
  return Array.from({ length: count }, (): Request => {
    const hotId = hot[rank(random())] ?? 1
    if (random() < writeShare) return renameUser(hotId)
    if (random() < hitRatio) return { path: `/users/${hotId}` }
    nextCold = (nextCold + 1) % cold.length
    return { path: `/users/${cold[nextCold]}` }
  })
}

/** Workloads and switches as the page shows them. */
export function describeWorkloads(): Pick<About, 'switches' | 'workloads'> {
  const table: Readonly<Record<string, Setting>> = settings
  return {
    workloads: workloads.map(
      ({ name, title, about, callers, ratePerSecond, primary, environment, service }) => ({
        ...{ name, title, about, callers, ratePerSecond, primary, environment, service },
        hasSliders: name === MIX,
      }),
    ),
    switches: tuningSwitches().map(({ name, tuned, naive, scenario, services }) => ({
      name,
      description: table[name]?.description ?? '',
      unit: table[name]?.unit ?? '',
      shipped: tuned,
      untuned: naive,
      isNumber: !/^(on|off)$/.test(tuned),
      services,
      workload: Object.hasOwn(SHOWN_BY_MIX, scenario) ? MIX : scenario,
      hint: SHOWN_BY_MIX[scenario] ?? '',
    })),
  }
}

/** The load at the start, and after a change of the workload. */
export function initialLoad(name = MIX): LoadSettings {
  const { callers, ratePerSecond } = workloads.find((workload) => workload.name === name) ?? users
  return { workload: name, callers, ratePerSecond, hitRatio: 0.9, writeShare: 0.05 }
}
