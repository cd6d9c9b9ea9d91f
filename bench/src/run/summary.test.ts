import t from 'tap'
import { sampleMeasured, sampleScenario } from '../../testing/sample-results.ts'
import { summarise } from './summary.ts'

const scenario = sampleScenario('user-by-id', ['off'])

t.test('the effect is above 1 when the tuning helps', async (t) => {
  const [result] = summarise([sampleMeasured(scenario, { tuned: 20_000, off: 10_000 })])
  const [comparison] = result?.comparisons ?? []
  t.equal(comparison?.verdict, 'better')
  t.ok(Math.abs((comparison?.effect.ratio ?? 0) - 2) < 0.15)
})

t.test('for p99, where lower is better, the ratio is above 1 when the tuning helps', async (t) => {
  // Samples of a slower variant have higher latencies.
  const [result] = summarise([
    sampleMeasured(sampleScenario('report', ['off'], 'p99'), { tuned: 4000, off: 400 }),
  ])
  t.match(result?.comparisons, [{ metric: 'p99', verdict: 'better' }])
})

t.test('a harmful tuning has the verdict worse', async (t) => {
  const [result] = summarise([sampleMeasured(scenario, { tuned: 8000, off: 10_000 })])
  t.match(result?.comparisons, [{ verdict: 'worse' }])
})

t.test(
  'a pair with an objection does not count, and too few pairs are refused with the reason',
  async (t) => {
    const measured = sampleMeasured(scenario, { tuned: 20_000, off: 10_000 }, { rounds: 4 })
    const boots = new Map(
      [...measured.boots].map(([name, of]) => [
        name,
        of.map((boot, round) =>
          name === 'off' && round > 1
            ? { ...boot, boot: { ...boot.boot, objections: ['other programs used 0.50 cores'] } }
            : boot,
        ),
      ]),
    )
    const [result] = summarise([{ ...measured, boots }])
    t.match(result?.comparisons, [{ verdict: 'refused', refused: /other programs/, effect: { pairs: 2 } }])
  },
)

t.test('a refused scenario has no verdicts', async (t) => {
  const measured = sampleMeasured(scenario, { tuned: 20_000, off: 10_000 })
  const [result] = summarise([{ ...measured, refused: 'off: expected x-cache l2' }])
  t.match(result, { refused: /x-cache/, comparisons: [{ verdict: 'refused', refused: /x-cache/ }] })
})

t.test('all comparisons of a run are corrected together', async (t) => {
  const many = Array.from({ length: 12 }, (_, i) =>
    sampleMeasured(sampleScenario(`s${i}`, ['off']), { tuned: 1030, off: 1000 }, { rounds: 4 }),
  )
  const alone = summarise(many.slice(0, 1))[0]?.comparisons[0]
  const together = summarise(many)[0]?.comparisons[0]
  t.equal(alone?.effect.p, together?.effect.p)
  t.ok((together?.pHolm ?? 0) > (alone?.pHolm ?? 1))
})
