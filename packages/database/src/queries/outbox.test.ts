import t from 'tap'
import { open } from '../testing/open.ts'
import { queries } from './index.ts'

t.test('the oldest entries are taken first, also while another process removes them', async (t) => {
  const { primary } = (await open(t)).database
  const cache = 'a'
  await primary.run(queries.cacheRegister, { cache, keepMs: 60_000 })
  const keys = ['c:user:1:{1}', 'with "quotes", \\ and ,', 'c:user:1:{3}']
  t.equal((await primary.run(queries.outboxInsert, { keys })).length, 3)
  const take = (pool: Pick<typeof primary, 'run'>, limit: number, minAgeMs = 0) =>
    pool.run(queries.outboxTake, { cache, limit, minAgeMs })
  const seen = await primary.transaction(async (tx) => {
    const mine = await take(tx, 2)
    await tx.run(queries.outboxRemove, { ids: mine.map(({ id }) => id) })
    const others = await take(primary, 2)
    return [mine, others].map((rows) => rows.map(({ key }) => key))
  })
  t.same(seen, [keys.slice(0, 2), keys.slice(0, 2)])
  t.match(await primary.first(queries.outboxStatus, { cache }), { count: 1, oldestAgeSeconds: Number })
  t.same(await take(primary, 2, 60_000), [], 'young entries stay')
  const [left] = await take(primary, 2)
  await primary.run(queries.outboxRemove, { ids: [left?.id ?? 0] })
  t.same(await primary.first(queries.outboxStatus, { cache }), { count: 0, oldestAgeSeconds: null })
})
