import t from 'tap'
import { coalesce } from './coalesce.ts'

t.test('concurrent calls share one run; a call after it starts the next', async (t) => {
  let runs = 0
  const read = coalesce(async () => ++runs)
  t.same(await Promise.all([read(), read(), read()]), [1, 1, 1])
  t.equal(await read(), 2)
})

t.test('a failure reaches every caller and is not kept', async (t) => {
  let runs = 0
  const read = coalesce(async () => {
    if (++runs === 1) throw new Error('no')
    return runs
  })
  const calls = [read(), read()]
  for (const call of calls) await t.rejects(call, { message: 'no' })
  t.equal(await read(), 2)
})
