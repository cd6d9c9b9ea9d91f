import t from 'tap'
import { meanCpuMs, rateOf, ratiosOf, type Slice } from './slice.ts'

const slice = (answered: number, cpuMs: number | undefined): Slice => ({
  answered,
  cpuMs,
  errors: 0,
  seconds: 1,
  bytes: 0,
  generatorShare: 0,
})

t.test('CPU time a request is over the slices for which it is known', async (t) => {
  t.equal(meanCpuMs([slice(100, 50), slice(300, 50)]), 0.25)
  t.equal(meanCpuMs([slice(100, 50), slice(900, undefined)]), 0.5, 'a thread ended in the second slice')
  t.equal(meanCpuMs([slice(100, undefined)]), undefined)
  t.equal(meanCpuMs([]), undefined)
})

t.test('a turn in which one side answered nothing has no ratio', async (t) => {
  t.same(ratiosOf([slice(200, 1), slice(100, 1)], [slice(100, 1), slice(0, 1)], rateOf), [2])
})
