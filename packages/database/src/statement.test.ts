import { table as users } from '@reference/shop/users/queries'
import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import { cacheOutbox, statement } from './index.ts'

const { placeholder } = sql

t.test('a statement is compiled at its first use and never again', async (t) => {
  let builds = 0
  const byEmail = statement<{ email: string }, { id: number }>('by_email', (db) => {
    builds++
    return db
      .select({ id: users.id })
      .from(users)
      .where(eq(users.email, placeholder('email')))
  })
  t.equal(builds, 0)
  const { text, bind } = byEmail.compiled()
  t.equal(byEmail.compiled().text, text)
  t.equal(builds, 1)
  t.same(bind({ email: 'a@example.com' }), ['a@example.com'])
})

t.test('a missing parameter is named, null is a value', async (t) => {
  const named = statement<{ a: number | null; b: number }, object>(
    'named',
    () => sql`select ${placeholder('a')}::int, ${placeholder('b')}::int, ${7}::int`,
  )
  t.same(named.compiled().bind({ a: null, b: 2 }), [null, 2, 7])
  t.throws(() => named.compiled().bind({ a: 1 }), /Statement named was given no b/)
})

t.test('only a statement without effects and locks may be sent twice', async (t) => {
  const readOnly = (build: Parameters<typeof statement>[1]) => statement('each', build).compiled().readOnly
  t.ok(readOnly(() => sql`select 1`))
  t.ok(readOnly((db) => db.select().from(users)))
  t.notOk(readOnly((db) => db.select().from(users).for('update')))
  t.notOk(readOnly((db) => db.delete(cacheOutbox)))
  t.notOk(readOnly(() => sql`select pg_advisory_xact_lock(1)`))
  t.notOk(readOnly(() => sql`with gone as (delete from users returning id) select * from gone`))
})
