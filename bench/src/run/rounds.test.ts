import t from 'tap'
import { health } from '../../scenarios/health.ts'
import { require } from '../proofs/proof.ts'
import { answers } from '../proofs/proofs.ts'
import { withBench } from './bench.ts'
import type { Progress } from './progress.ts'
import { runScenarios } from './rounds.ts'
import type { Scenario } from './scenario.ts'
import { summarise } from './summary.ts'

// Starts servers and boots a service five times.
t.setTimeout(300_000)

const quiet: Progress = { step: () => {}, note: () => {}, done: () => {} }
const world = { users: 50, products: 10, orders: 50 }
const durations = { warmupMs: 100, closedMs: 300, openMs: 200 }

/** What a proof sees, kept for the test. */
function watched(name: string, environment: Record<string, string>, holds: boolean) {
  const seen: number[] = []
  const proofs = [
    answers(200),
    ({ load }: { load: { answered: number } }) => {
      seen.push(load.answered)
      require(holds, 'the treatment was not seen')
      return 'seen'
    },
  ]
  return { seen, variant: { name, label: name, environment, proofs } }
}

t.test(
  'nothing counts where a treatment is not proven, or a value keeps the service from starting',
  async (t) => {
    const tuned = watched('tuned', {}, true)
    const unproven = watched('unproven', { METRICS: 'off' }, false)
    const broken = watched('broken', { DB_POOL_MAX: 'many' }, true)
    const scenario = (name: string, variant: typeof tuned.variant): Scenario => ({
      ...health,
      name,
      counted: 5,
      tuned: tuned.variant,
      variants: [variant],
    })
    const measured = await withBench(
      { world, durations, progress: quiet, signal: new AbortController().signal },
      async (bench) =>
        runScenarios(bench, {
          scenarios: [scenario('a', unproven.variant), scenario('b', broken.variant)],
          progress: quiet,
          deadlineMs: performance.now() + 60_000,
          leastRounds: 1,
          mostRounds: 1,
          allowNoise: true,
        }),
    )
    t.equal(measured.complete, true)
    t.match(summarise(measured.measured), [
      {
        name: 'a',
        refused: 'unproven: the treatment was not seen',
        comparisons: [{ verdict: 'refused', refused: /not seen/ }],
      },
      {
        name: 'b',
        refused: /broken: reference-api: ended with code[\s\S]*DB_POOL_MAX/,
        comparisons: [{ verdict: 'refused' }],
      },
    ])
    t.equal(unproven.seen.length, 2, 'tried twice, since a disturbed cache fails a proof, too')
    t.ok(
      tuned.seen.every((answered) => answered > 0),
      'proofs see what was measured',
    )
  },
)
