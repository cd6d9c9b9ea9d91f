import t from 'tap'
import { parseCoreList, planPlacement } from '../stack/placement.ts'
import { objections } from './validity.ts'

const quiet = { steal: 0, otherCores: 0.02 }

t.test('a quiet machine and an idle generator speak against nothing', async (t) => {
  t.same(objections({ disturbance: quiet, generatorUtilisation: 0.6, lagP99Ms: 0.4, errorShare: 0 }), [])
})

t.test('each thing that spoils a measurement is named', async (t) => {
  const kinds = (found: ReturnType<typeof objections>) => found.map(({ kind }) => kind)
  t.same(kinds(objections({ disturbance: { steal: 0.1, otherCores: 0 } })), ['noise'])
  t.same(kinds(objections({ disturbance: { steal: 0, otherCores: 0.6 } })), ['noise'])
  t.same(kinds(objections({ disturbance: quiet, generatorUtilisation: 0.97 })), ['generator'])
  t.same(kinds(objections({ disturbance: quiet, lagP99Ms: 20 })), ['generator'])
  t.match(objections({ disturbance: quiet, errorShare: 0.02 }), [{ kind: 'errors', message: /2\.0 %/ }])
})

t.test('the server has a core that nothing else uses', async (t) => {
  t.match(planPlacement([0, 1]), { pinned: true, server: [0], rest: [1] })
  t.match(planPlacement([2, 5, 7]), { pinned: true, server: [2], rest: [5, 7] })
  t.match(planPlacement([0]), { pinned: false, note: /one core/ })
  t.match(planPlacement(undefined), { pinned: false, note: /taskset/ })
})

t.test('lists of cores are read', async (t) => {
  t.same(parseCoreList(' 0-2,5'), [0, 1, 2, 5])
  t.same(parseCoreList('7\n'), [7])
})
