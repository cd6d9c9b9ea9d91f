import t from 'tap'
import { health } from '../../scenarios/health.ts'
import { prove } from '../proofs/proof.ts'
import { answers } from '../proofs/replies.ts'
import { withBench } from './bench.ts'
import type { Progress } from './progress.ts'
import { runScenarios } from './rounds.ts'
import type { Scenario } from './scenario.ts'
import { summarise } from './summary.ts'

// Starts servers and boots a service five times.
t.setTimeout(300_000)

const quiet: Progress = { step: () => {}, note: () => {}, done: () => {} }
const dataset = { users: 50, products: 10, orders: 50 }
const durations = { warmupMs: 100, closedMs: 300, openMs: 200 }

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

t.test('a variant is refused when a proof fails twice or the service does not start', async (t) => {
  const tuned = spyVariant('tuned', {}, true)
  const unproven = spyVariant('unproven', { METRICS: 'off' }, false)
  const broken = spyVariant('broken', { DB_POOL_MAX: 'many' }, true)
  const scenario = (name: string, variant: typeof tuned.variant): Scenario => ({
    ...health,
    name,
    counted: 5,
    tuned: tuned.variant,
    variants: [variant],
  })
  const measured = await withBench(
    { dataset, durations, progress: quiet, signal: new AbortController().signal },
    async (bench) =>
      runScenarios(bench, {
        scenarios: [scenario('a', unproven.variant), scenario('b', broken.variant)],
        progress: quiet,
        deadlineMs: performance.now() + 60_000,
        minimumRounds: 1,
        maximumRounds: 1,
        allowNoise: true,
      }),
  )
  t.equal(measured.complete, true)
  t.match(summarise(measured.measured), [
    {
      name: 'a',
      refused: 'unproven: the switch had no effect',
      comparisons: [{ verdict: 'refused', refused: /no effect/ }],
    },
    {
      name: 'b',
      refused: /broken: reference-api: ended with code[\s\S]*DB_POOL_MAX/,
      comparisons: [{ verdict: 'refused' }],
    },
  ])
  t.equal(unproven.seen.length, 2, 'tried twice, because a disturbed cache also fails a proof')
  t.ok(
    tuned.seen.every((answered) => answered > 0),
    'proofs receive the measured load',
  )
})
