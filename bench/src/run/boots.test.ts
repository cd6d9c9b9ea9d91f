import t from 'tap'
import { health } from '../../scenarios/health.ts'
import { prove } from '../proofs/proof.ts'
import { answers } from '../proofs/replies.ts'
import { withBench } from './bench.ts'
import { runScenarios } from './boots.ts'
import type { Progress } from './progress.ts'
import type { Scenario } from './scenario.ts'
import { summarise } from './summary.ts'

// Starts servers and boots a service several times.
t.setTimeout(500_000)

const quiet: Progress = { step: () => {}, note: () => {}, done: () => {} }
const dataset = { users: 50, products: 10, orders: 50 }
const durations = {
  warmUpMs: 100,
  warmUpLimitMs: 100,
  measureMs: 200,
  limitMs: 400,
  pacedMs: 200,
  pacedTurns: 1,
}

/** A variant whose last proof holds or fails, and the observations of that proof. */
function spyVariant(name: string, environment: Record<string, string>, holds: boolean) {
  const seen: number[] = []
  const proofs = [
    answers(200),
    ({ load }: { load: { answered: number } }) => {
      seen.push(load.answered)
      prove(holds, 'the switch had no effect')
      return 'seen'
    },
  ]
  return { seen, variant: { name, label: name, environment, proofs } }
}

t.test('all variants are measured beside each other, and one without its proof is refused', async (t) => {
  const tuned = spyVariant('tuned', {}, true)
  const off = spyVariant('off', { METRICS: 'off' }, true)
  const unproven = spyVariant('unproven', { METRICS: 'off' }, false)
  const broken = spyVariant('broken', { DB_POOL_MAX: 'many' }, true)
  const scenario = (name: string, ...variants: (typeof tuned.variant)[]): Scenario => ({
    ...health,
    name,
    counted: 5,
    tuned: tuned.variant,
    variants,
  })
  const measured = await withBench(
    { dataset, durations, progress: quiet, signal: new AbortController().signal },
    async (bench) =>
      runScenarios(bench, {
        scenarios: [
          scenario('a', off.variant),
          scenario('b', unproven.variant),
          scenario('c', broken.variant),
        ],
        progress: quiet,
        deadlineMs: performance.now() + 400_000,
        minimumBoots: 1,
        maximumBoots: 1,
      }),
  )
  t.equal(measured.complete, true)
  const [a, b, c] = summarise(measured.measured)
  t.match(a, { name: 'a', boots: [{ boot: 0 }], comparisons: [{ verdict: 'refused', effect: { boots: 1 } }] })
  for (const { boots } of a?.variants ?? []) {
    const [boot] = boots
    t.ok((boot?.slices ?? 0) >= 8 && (boot?.throughput ?? 0) > 0 && (boot?.responseBytes ?? 0) > 0)
    t.ok((boot?.latency?.sent ?? 0) > 0)
  }
  t.equal(a?.variants[0]?.boots[0]?.ratios, undefined)
  const ratios = a?.variants[1]?.boots[0]?.ratios
  t.ok(Number.isFinite(ratios?.rate?.log) && (ratios?.rate?.variance ?? 0) > 0)
  t.match(b, {
    name: 'b',
    refused: 'unproven: the switch had no effect',
    comparisons: [{ verdict: 'refused' }],
  })
  t.match(c, { name: 'c', refused: /broken: reference-api: ended with code[\s\S]*DB_POOL_MAX/ })
  t.equal(unproven.seen.length, 2, 'tried twice, because a disturbed cache also fails a proof')
  t.ok(
    tuned.seen.length >= 2 && tuned.seen.every((answered) => answered > 0),
    'proofs receive the measured load',
  )
})
