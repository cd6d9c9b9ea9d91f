import { testDatabase } from '@reference/local-stack'
import postgres from 'postgres'
import t from 'tap'
import { startApi } from './testing/test-api.ts'

t.test('session settings of the database do not change reports and lists', async (t) => {
  const database = await testDatabase(t)
  const sql = postgres(database.superuserUrl, { max: 1, onnotice: () => {} })
  t.teardown(() => sql.end())
  await sql.unsafe(`create schema elsewhere; create table elsewhere.orders (id int);
    update public.orders set created_at = '2025-06-05 23:30Z' where id <= 100`)
  const usual = await startApi(t, { DATABASE_URL: database.url })
  const paths = ['/all?limit=20', '/report', '/report?engine=sql', '/users/3']
  const expected = await Promise.all(paths.map(async (path) => (await usual.get(path)).body))
  t.match(JSON.stringify(expected[1]), '"day":"2025-06-05"')

  for (const setting of [
    "DateStyle = 'SQL', 'DMY'",
    "IntervalStyle = 'sql_standard'",
    "TimeZone = 'Asia/Kathmandu'",
    "bytea_output = 'escape'",
    'extra_float_digits = -15',
    'standard_conforming_strings = off',
    "default_transaction_isolation = 'serializable'",
    'search_path = elsewhere',
  ]) {
    await sql.unsafe(`alter database ${database.name} set ${setting}`)
    await sql.unsafe(`alter role reference in database ${database.name} set ${setting}`)
  }
  const api = await startApi(t, { DATABASE_URL: database.url })
  for (const [index, path] of paths.entries()) {
    const { engine: _, ...report } = (await api.get(path)).body
    const { engine: __, ...before } = expected[index] as { engine?: string }
    t.same(report, before, path)
  }
})
