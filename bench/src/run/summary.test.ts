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
  'a boot with an objection does not count, and too few boots are refused with the reason',
  async (t) => {
    const measured = sampleMeasured(scenario, { tuned: 20_000, off: 10_000 }, { boots: 4 })
    for (const { variants } of measured.boots.slice(2)) variants.get('off')?.boot.objections.push('it failed')
    const [result] = summarise([measured])
    t.match(result?.comparisons, [{ verdict: 'refused', refused: 'it failed', effect: { boots: 2 } }])
  },
)

t.test('CPU time a request has an effect of its own, at the maximum and at the fixed rate', async (t) => {
  const [result] = summarise([sampleMeasured(scenario, { tuned: 20_000, off: 10_000 })])
  const [{ cpu, cpuAtFixedRate } = {}] = result?.comparisons ?? []
  for (const effect of [cpu, cpuAtFixedRate]) t.ok((effect?.low ?? 0) > 1.8 && (effect?.high ?? 9) < 2.2)
})

t.test('percentiles have intervals over boots', async (t) => {
  const [result] = summarise([sampleMeasured(scenario, { tuned: 20_000, off: 10_000 })])
  const latency = result?.variants[0]?.summary.latency
  for (const name of ['p50', 'p99', 'p999'] as const) {
    const [low, high] = latency?.intervals[name] ?? [0, 0]
    t.ok(low > 0 && low <= (latency?.[name] ?? 0) && (latency?.[name] ?? 1e9) <= (high ?? 0), name)
  }
})

t.test('the p99 of a boot in which the generator was late does not count, its throughput does', async (t) => {
  const late = (primary: 'throughput' | 'p99') => {
    const measured = sampleMeasured(sampleScenario('s', ['off'], primary), { tuned: 4000, off: 400 })
    for (const { variants } of measured.boots.slice(1))
      for (const { boot } of variants.values()) if (boot.latency) boot.latency.lagP99Ms = 15
    return summarise([measured])[0]?.comparisons
  }
  t.match(late('p99'), [{ verdict: 'refused', refused: /sent 15\.0 ms late/ }])
  t.match(late('throughput'), [{ verdict: 'better' }])
})

t.test('a refused scenario has no verdicts', async (t) => {
  const measured = sampleMeasured(scenario, { tuned: 20_000, off: 10_000 })
  const [result] = summarise([{ ...measured, refused: 'off: expected x-cache l2' }])
  t.match(result, { refused: /x-cache/, comparisons: [{ verdict: 'refused', refused: /x-cache/ }] })
})

t.test('all comparisons of a run are corrected together', async (t) => {
  const many = Array.from({ length: 12 }, (_, i) =>
    sampleMeasured(sampleScenario(`s${i}`, ['off']), { tuned: 1030, off: 1000 }, { boots: 4 }),
  )
  const alone = summarise(many.slice(0, 1))[0]?.comparisons[0]
  const together = summarise(many)[0]?.comparisons[0]
  t.equal(alone?.pHolm, alone?.effect.p)
  t.ok((together?.pHolm ?? 0) > (together?.effect.p ?? 1))
})
