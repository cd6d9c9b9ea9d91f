import { createRandom } from '@reference/async/testing'
import type { Results } from '../src/report/schema.ts'
import type { MeasuredScenario } from '../src/run/boots.ts'
import type { Scenario, Variant } from '../src/run/scenario.ts'
import type { MeasuredBoot, ScenarioBoot } from '../src/run/scenario-boot.ts'
import { summarise } from '../src/run/summary.ts'
import { createHistogram, encodeHistogram, percentilesOf } from '../src/stats/histogram.ts'

/** A normally distributed number (Box–Muller). */
export function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** A boot as a run records it. */
function sampleBoot(boot: number, throughput: number, p50Ms: number, random: () => number): MeasuredBoot {
  const histogram = createHistogram()
  for (let i = 0; i < 2000; i++) {
    histogram.recordValue(
      Math.round(p50Ms * 1000 * Math.exp(0.5 * gaussian(random)) * (random() < 0.005 ? 6 : 1)),
    )
  }
  const costs = {
    statements: 1,
    commands: 2,
    statementsByText: { 'SELECT id FROM users WHERE id = $1': 1 },
    commandsByName: { get: 1, set: 1 },
    redisBytes: 120,
  }
  return {
    proof: ['status 200', 'x-cache: l1 (l1 ×50)'],
    costs,
    boot: {
      boot,
      warmUpSlices: 20,
      slices: 40,
      steady: true,
      throughput,
      errors: 0,
      cpuMsPerRequest: 1000 / throughput,
      rssBytes: 120_000_000,
      responseBytes: 320,
      statements: 1,
      commands: 2,
      redisBytes: 120,
      generatorUtilisation: 0.5,
      cpuMsAtFixedRate: 2000 / throughput,
      objections: [],
      latency: {
        ratePerSecond: 1000,
        sent: 2000,
        errors: 0,
        ...percentilesOf(histogram),
        lagP99Ms: 0.3,
        histogram: encodeHistogram(histogram),
      },
    },
  }
}

export function sampleScenario(
  name: string,
  variants: readonly string[],
  primary: Scenario['primary'] = 'throughput',
): Scenario {
  const variant = (name: string): Variant => ({ name, label: name, environment: {}, proofs: [] })
  return {
    name,
    title: `Title of ${name}`,
    about: 'The requests.',
    guide: 'API Performance › Caching Strategy',
    service: 'reference-api',
    inDefaultRun: true,
    primary,
    connections: 32,
    requests: () => [{ path: '/' }],
    tuned: variant('tuned'),
    variants: variants.map(variant),
  }
}

/** Variance of the logarithm of a boot's ratio by its turns. */
const TURN_VARIANCE = 0.0001

/**
 * Boots of one scenario whose variants have the given rates, in requests a second.
 *
 * @param spread standard deviation of the logarithm of a boot's rate
 */
export function sampleMeasured(
  scenario: Scenario,
  rates: Readonly<Record<string, number>>,
  options: { boots?: number; spread?: number; random?: () => number } = {},
): MeasuredScenario {
  const { boots = 6, spread = 0.03, random = createRandom(1) } = options
  return {
    scenario,
    refused: undefined,
    boots: Array.from({ length: boots }, (_, boot): ScenarioBoot => {
      const variants = new Map(
        Object.entries(rates).map(([name, rate]) => {
          const measured = sampleBoot(boot, rate * Math.exp(spread * gaussian(random)), 4000 / rate, random)
          return [name, measured] as const
        }),
      )
      const tuned = variants.get(scenario.tuned.name)?.boot.throughput ?? 1
      for (const [name, { boot }] of variants) {
        if (name === scenario.tuned.name) continue
        const ratio = { log: Math.log(tuned / boot.throughput), variance: TURN_VARIANCE }
        boot.ratios = { rate: ratio, cpu: ratio, cpuAtFixedRate: ratio }
      }
      return {
        variants,
        ratePerSecond: 1000,
        machine: { boot, at: '2026-01-02T03:04:05.000Z', seconds: 5, steal: 0, otherCores: 0.02 },
      }
    }),
  }
}

export const SAMPLE_FINGERPRINT: Results['fingerprint'] = {
  cpuModel: 'Some processor',
  cores: 2,
  memoryBytes: 8 * 2 ** 30,
  platform: 'linux x64',
  kernel: 'Linux 6.18',
  node: 'v26.10.0',
  postgres: '18.4',
  redis: '7.0.15',
  placement: 'server on core 0; generator and databases on 1',
  commit: '0123456789abcdef0123456789abcdef01234567',
  dirty: false,
  settings: { CACHE_L1: 'on' },
}

export function sampleResults(measured: readonly MeasuredScenario[], more: Partial<Results> = {}): Results {
  return {
    schemaVersion: 2,
    startedAt: '2026-01-02T03:04:05.000Z',
    finishedAt: '2026-01-02T03:06:45.000Z',
    seconds: 160,
    complete: true,
    command: 'pnpm bench',
    fingerprint: SAMPLE_FINGERPRINT,
    world: { users: 10_000, products: 1000, orders: 50_000 },
    warnings: [],
    scenarios: summarise(measured),
    ...more,
  }
}
