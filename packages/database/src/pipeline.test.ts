import { orderById } from '@reference/shop/orders/queries'
import { userById, usersByIds } from '@reference/shop/users/queries'
import t from 'tap'
import { open, openOn } from './testing/open.ts'

t.test('each pipelined statement gets its own rows while tables change', async (t) => {
  const { database, superuserUrl } = await open(t, { poolMax: 1, pipelineDepth: 8 })
  const admin = openOn(t, { url: superuserUrl }).primary
  const { primary } = database
  let ended = false
  let answered = 0
  const wrong: unknown[] = []
  const ask = async (n: number) => {
    for (let i = 0; !ended; i++) {
      const id = 1 + ((n * 131 + i * 17) % 900)
      try {
        const [user, many, order] = await Promise.all([
          primary.first(userById, { id }),
          primary.run(usersByIds, { ids: [id] }),
          primary.first(orderById, { id }),
        ])
        if (user?.id !== id || user.email === undefined) wrong.push({ id, user })
        if (many.length !== 1 || many[0]?.id !== id) wrong.push({ id, many })
        if (order?.id !== id || order.totalCents === undefined) wrong.push({ id, order })
        answered++
      } catch (error) {
        // On a busy machine the queue of the pool refuses while a table is locked.
        if ((error as { code?: string }).code !== 'DB_POOL_TIMEOUT') wrong.push(error)
      }
    }
  }
  const callers = Array.from({ length: 20 }, (_, n) => ask(n))
  // More on a slow machine.
  for (let change = 0; change < 20 || (answered <= 100 && change < 100); change++) {
    await admin.sql`select pg_sleep(0.05)`
    const type = change % 2 === 0 ? 'text' : 'varchar(200)'
    await admin.transaction(async ({ drizzle }) => {
      await drizzle.execute(`alter table users alter column name type ${type}`)
      await drizzle.execute(`alter table orders alter column status type ${type}`)
    })
  }
  ended = true
  await Promise.all(callers)
  t.same(wrong.slice(0, 3), [])
  t.equal(wrong.length, 0)
  t.ok(answered > 100)
})
