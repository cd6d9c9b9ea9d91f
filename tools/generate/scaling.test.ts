import t from 'tap'
import { withEstimates } from './scaling.ts'

t.test('estimates of a document come from the committed results', async (t) => {
  const text = 'a hit takes <!--estimate hit-cpu-->old<!--/estimate-->'
  const filled = withEstimates(text)
  t.match(filled, /^a hit takes <!--estimate hit-cpu-->0\.\d+ ms<!--\/estimate-->$/)
  t.equal(withEstimates(filled), filled)
  t.throws(() => withEstimates('<!--estimate unknown--><!--/estimate-->'), /no estimate unknown/)
  t.equal(withEstimates('no estimate'), 'no estimate')
})

t.test('what is computed agrees with what it is computed from', async (t) => {
  const value = (name: string) => {
    const filled = withEstimates(`<!--estimate ${name}--><!--/estimate-->`)
    return Number(/-->([\d.,]+)/.exec(filled)?.[1]?.replaceAll(',', ''))
  }
  const near = (actual: number, expected: number) => Math.abs(actual / expected - 1) < 0.06
  t.ok(near(value('hits-a-replica') * value('hit-cpu'), 600))
  t.ok(near(value('hits-of-100'), 100 * value('hits-a-replica')))
  t.ok(near(value('replicas-of-postgres') * value('misses-a-replica'), value('row-rate')))
})
