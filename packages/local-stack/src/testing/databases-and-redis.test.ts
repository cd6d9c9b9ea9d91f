import postgres from 'postgres'
import t from 'tap'
import { templateRows, testDatabase } from '../index.ts'

t.test('a database from the template has every table and the documented rows', async (t) => {
  const { url } = await testDatabase(t)
  const sql = postgres(url, { max: 1 })
  t.teardown(() => sql.end())
  const [rows] = await sql`
    SELECT (SELECT count(*)::int FROM users) AS users, (SELECT count(*)::int FROM products) AS products,
           (SELECT count(*)::int FROM orders) AS orders`
  t.same(rows, templateRows)
  const [limit] = await sql`SHOW statement_timeout`
  t.same(limit, { statement_timeout: '10s' }, 'and the time limits that the migration sets on the role')
})

t.test('two databases are independent', async (t) => {
  const [one, other] = await Promise.all([
    testDatabase(t, { from: 'empty' }),
    testDatabase(t, { from: 'empty' }),
  ])
  const sql = postgres(one.url, { max: 1 })
  await sql`CREATE TABLE only_here (id int)`
  await sql.end()
  const there = postgres(other.url, { max: 1 })
  t.same(await there`SELECT count(*)::int AS n FROM pg_tables WHERE schemaname = 'public'`, [{ n: 0 }])
  await there.end()
})

t.test('a closed database is dropped, even with open sessions', async (t) => {
  const database = await testDatabase(t, { from: 'empty' })
  const sql = postgres(database.url, { max: 1, onnotice: () => {} })
  await sql`SELECT 1`
  await database.close()
  await t.rejects(sql`SELECT 1`)
  await sql.end()
})
