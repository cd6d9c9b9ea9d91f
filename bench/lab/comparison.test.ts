import { createRandom } from '@reference/async/testing'
import t from 'tap'
import { gaussian } from '../testing/sample-results.ts'
import { RunningComparison } from './comparison.ts'

const slice = (answered: number) => ({
  answered,
  errors: 0,
  seconds: 0.1,
  cpuMs: 100,
  generatorShare: 0.3,
  bytes: 0,
})

t.test('the running ratio and its interval are those of yours by shipped', async (t) => {
  const comparison = new RunningComparison()
  const random = createRandom(7)
  t.same(comparison.result, { turns: 0, rate: null, cpu: null, p99: null })
  for (let turn = 0; turn < 60; turn++) {
    const machine = 1 + 0.5 * random()
    const noise = () => 1 + 0.02 * gaussian(random)
    comparison.addSlices({
      shipped: slice(Math.round(2000 * machine * noise())),
      yours: slice(Math.round(3000 * machine * noise())),
    })
    comparison.addLatencies({ shipped: 2 * noise(), yours: noise() })
  }
  const { turns, rate, cpu, p99 } = comparison.result
  t.equal(turns, 60)
  t.ok(rate !== null && rate.low < 1.5 && rate.high > 1.5 && rate.high - rate.low < 0.05, `${rate?.ratio}`)
  t.ok(cpu !== null && cpu.low < 1 / 1.5 && cpu.high > 1 / 1.5, `${cpu?.ratio}`)
  t.ok(p99 !== null && p99.low < 0.5 && p99.high > 0.5, `${p99?.ratio}`)
  comparison.reset()
  t.equal(comparison.result.turns, 0)
})

t.test('turns of a copy that was still compiling are dropped', async (t) => {
  const comparison = new RunningComparison()
  const random = createRandom(11)
  const noise = () => 1 + 0.01 * gaussian(random)
  for (let turn = 0; turn < 32; turn++) {
    const yours = turn < 8 ? 1000 : 2000
    comparison.addSlices({
      shipped: slice(Math.round(2000 * noise())),
      yours: slice(Math.round(yours * noise())),
    })
  }
  const { turns, rate } = comparison.result
  t.equal(turns, 24, 'the first eight are dropped at the check after 16')
  t.ok(rate !== null && Math.abs(rate.ratio - 1) < 0.02, `${rate?.ratio}`)
})

t.test('the oldest turns are dropped, so that the ratio shows the present', async (t) => {
  const comparison = new RunningComparison()
  for (let turn = 0; turn < 500; turn++) {
    comparison.addSlices({ shipped: slice(1000 + (turn % 7)), yours: slice(1000 + (turn % 5)) })
    comparison.addLatencies({ shipped: 1, yours: 1 })
  }
  t.equal(comparison.result.turns, 400)
})
