import t from 'tap'
import { parseCoreList, planPlacement } from '../stack/placement.ts'
import { latenessOf, objectionsTo } from './validity.ts'

t.test('no objection to a steady boot with an idle generator', async (t) => {
  t.same(objectionsTo({ steady: true, generatorUtilisation: 0.6, errorShare: 0 }), [])
})

t.test('each fault has its objection', async (t) => {
  t.match(objectionsTo({ steady: false }), [/still changed/])
  t.match(objectionsTo({ generatorUtilisation: 0.97 }), [/generator was busy for 97\.0 %/])
  t.match(objectionsTo({ errorShare: 0.02 }), [/2\.0 % of the requests failed/])
  t.equal(latenessOf(9.9), undefined)
  t.match(latenessOf(20), /sent 20\.0 ms late/)
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
