import { createRandom } from '@reference/async/testing'
import t from 'tap'
import { gaussian } from '../../testing/sample-results.ts'
import { isSteady } from './steady.ts'

const turns = (count: number, log: (turn: number) => number) =>
  Array.from({ length: count }, (_, turn) => Math.exp(log(turn)))

t.test('a ratio that does not change is steady, one that grows is not', async (t) => {
  t.equal(isSteady(turns(20, () => 0.3)), true)
  t.equal(isSteady(turns(20, (turn) => 0.01 * turn)), false)
  t.equal(isSteady(turns(20, (turn) => (turn < 10 ? 0.05 : 0))), false, 'in either direction')
})

t.test('noise alone is steady in at least 98 of 100 boots, a change of 15 % is seen in 90', async (t) => {
  const random = createRandom(4)
  const share = (change: number) => {
    let steady = 0
    for (let i = 0; i < 500; i++)
      if (isSteady(turns(80, (turn) => (turn < 40 ? change : 0) + 0.1 * gaussian(random)))) steady++
    return steady / 500
  }
  t.ok(share(0) >= 0.98)
  t.ok(share(0.15) <= 0.1)
})

t.test('a few turns say nothing', async (t) => {
  t.equal(isSteady(turns(7, (turn) => turn)), true)
})
