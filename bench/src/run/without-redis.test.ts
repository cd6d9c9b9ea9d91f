import t from 'tap'
import { scenarios } from '../../scenarios/index.ts'
import { withoutRedis } from './without-redis.ts'

t.test('a machine without Redis skips what reads tier 2, by name, and measures the rest', async (t) => {
  const { scenarios: remaining, skipped, notes } = withoutRedis(scenarios)
  t.equal(skipped.get('auto-pipelining'), 'needs Redis: skipped')
  t.equal(skipped.get('mixed'), 'needs Redis: skipped')
  t.equal(skipped.size + remaining.length, scenarios.length)
  const userById = remaining.find(({ name }) => name === 'user-by-id')
  t.same(
    userById?.variants.map(({ name }) => name),
    ['HTTP_FAST_PATH=off', 'CACHE_L1=off CACHE_L2=off'],
  )
  t.ok(
    notes.includes('user-by-id (CACHE_L1=off, miss, CACHE_L2=off): needs Redis: skipped'),
    notes.join('\n'),
  )
})
