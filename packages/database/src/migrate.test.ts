import { testDatabase } from '@reference/local-stack'
import t from 'tap'
import { createDatabase, migrate } from './index.ts'

t.test('four migrations at once and one more leave one schema, with the limits on the role', async (t) => {
  const { url } = await testDatabase(t, { from: 'empty' })
  await Promise.all([1, 2, 3, 4].map(() => migrate({ url })))
  await migrate({ url })
  const database = createDatabase({ url, preset: 'reference-api', applicationName: 'test' })
  t.teardown(() => database.close())
  const { sql } = database.primary

  const tables = await sql<{ name: string }>`
    select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE' order by 1`
  t.same(
    tables.map(({ name }) => name),
    ['cache_outbox', 'idempotency_keys', 'orders', 'products', 'settings', 'users'],
  )
  const indexes = await sql<{ definition: string }>`
    select regexp_replace(indexdef, '.* ON public.(\\S+) USING btree ', '\\1') || case when indexdef like '%UNIQUE%' then ' unique' else '' end as definition
    from pg_indexes where schemaname = 'public'`
  const definitions = indexes.map(({ definition }) => definition)
  for (const expected of [
    'users(email) unique',
    'orders(user_id)',
    'orders(created_at)',
    'orders(user_id, created_at)',
    'orders(created_at, id)',
    'orders(status, created_at, id)',
    'orders(product_id)',
    'idempotency_keys(created_at)',
  ]) {
    t.ok(definitions.includes(expected), expected)
  }
  const [timeouts] = await sql<{ statement: string; idle: string }>`
    select current_setting('statement_timeout') as statement, current_setting('idle_in_transaction_session_timeout') as idle`
  t.same(timeouts, { statement: '10s', idle: '10s' })
})

t.test('a server that is away is said to be', async (t) => {
  await t.rejects(migrate({ url: 'postgres://nobody@127.0.0.1:1/none' }), { code: 'DB_UNAVAILABLE' })
})
