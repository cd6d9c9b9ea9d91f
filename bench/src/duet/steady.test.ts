import t from 'tap'
import { isSteady } from './steady.ts'

t.test('a process is steady once it has stopped to become faster', async (t) => {
  t.notOk(isSteady([]))
  t.notOk(isSteady([100, 100, 100, 100, 100]), 'six slices at least')
  t.notOk(isSteady([50, 60, 70, 80, 90, 100]))
  t.ok(isSteady([50, 80, 99, 100, 101, 100, 101, 102]))
  t.ok(isSteady([100, 101, 99, 102, 101, 103]), 'a gain of 2 %')
})

t.test('a machine that becomes slower does not prolong the warm-up', async (t) => {
  t.ok(isSteady([50, 100, 100, 100, 80, 60, 70]))
})
