import t from 'tap'
import { mustExist } from './must-exist.ts'

t.test('passes on every value but undefined', async (t) => {
  for (const value of [0, '', false, null]) t.equal(mustExist(value), value)
  t.throws(() => mustExist(undefined), { message: /must exist/ })
})
