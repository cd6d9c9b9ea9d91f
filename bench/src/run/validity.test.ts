import t from 'tap'
import { parseCoreList, planPlacement } from '../stack/placement.ts'
import { objectionsTo } from './validity.ts'

const quiet = { steal: 0, otherCores: 0.02 }

t.test('no objection on a quiet machine with an idle generator', async (t) => {
  t.same(objectionsTo({ interference: quiet, generatorUtilisation: 0.6, lagP99Ms: 0.4, errorShare: 0 }), [])
})

t.test('each kind of interference has its objection', async (t) => {
  const kinds = (found: ReturnType<typeof objectionsTo>) => found.map(({ kind }) => kind)
  t.same(kinds(objectionsTo({ interference: { steal: 0.1, otherCores: 0 } })), ['noise'])
  t.same(kinds(objectionsTo({ interference: { steal: 0, otherCores: 0.6 } })), ['noise'])
  t.same(kinds(objectionsTo({ interference: quiet, generatorUtilisation: 0.97 })), ['generator'])
  t.same(kinds(objectionsTo({ interference: quiet, lagP99Ms: 20 })), ['generator'])
  t.match(objectionsTo({ interference: quiet, errorShare: 0.02 }), [{ kind: 'errors', message: /2\.0 %/ }])
})

t.test('the server has a core of its own', async (t) => {
  t.match(planPlacement([0, 1]), { pinned: true, server: [0], rest: [1] })
  t.match(planPlacement([2, 5, 7]), { pinned: true, server: [2], rest: [5, 7] })
  t.match(planPlacement([0]), { pinned: false, note: /one core/ })
  t.match(planPlacement(undefined), { pinned: false, note: /taskset/ })
})

t.test('lists of cores are parsed', async (t) => {
  t.same(parseCoreList(' 0-2,5'), [0, 1, 2, 5])
  t.same(parseCoreList('7\n'), [7])
})
