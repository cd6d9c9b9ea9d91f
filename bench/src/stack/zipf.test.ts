import { createRandom } from '@reference/async/testing'
import t from 'tap'
import { zipf } from './zipf.ts'

t.test('the shares of the first ranks follow the weights', async (t) => {
  const rank = zipf(100, 1)
  const random = createRandom(20_261_129)
  const counts = Array.from({ length: 100 }, () => 0)
  const draws = 100_000
  for (let i = 0; i < draws; i++) {
    const drawn = rank(random())
    counts[drawn] = (counts[drawn] ?? 0) + 1
  }
  const harmonic = Array.from({ length: 100 }, (_, i) => 1 / (i + 1)).reduce((sum, weight) => sum + weight)
  for (const at of [0, 1, 9]) {
    const expected = draws / (at + 1) / harmonic
    t.ok(Math.abs((counts[at] ?? 0) - expected) < 0.05 * expected, `rank ${at}: ${counts[at]} of ${expected}`)
  }
})

t.test('every random number has a rank within the bounds', async (t) => {
  const rank = zipf(1000, 0.99)
  t.equal(rank(0), 0)
  t.equal(rank(1 - 2 ** -32), 999)
  t.equal(zipf(1, 1)(0.5), 0)
})
