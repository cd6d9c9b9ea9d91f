import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestScope, testDatabase, until } from '@reference/local-stack'
import { MIGRATIONS, MIGRATIONS_FOLDER, migrate, TABLES } from '@reference/shop'
import { getTableName } from 'drizzle-orm'
import postgres from 'postgres'
import t from 'tap'
import { createDatabase, createMigrationCheck } from './index.ts'
import { applyMigrations } from './migration-steps.ts'
import { TEST_POOL_SIZES } from './testing/open.ts'

t.test('four migrations at once and one more leave one schema, with the limits on the role', async (t) => {
  const { url } = await testDatabase(t, { from: 'empty' })
  await Promise.all([1, 2, 3, 4].map(() => migrate({ url })))
  await migrate({ url })
  const database = createDatabase({ url, poolSizes: TEST_POOL_SIZES, applicationName: 'test' })
  t.teardown(() => database.close())
  const { primary } = database

  const tables = await primary.sql<{ name: string }>`
    select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE' order by 1`
  t.same(
    tables.map(({ name }) => name),
    TABLES.map((table) => getTableName(table)).sort(),
  )
  const indexes = await primary.sql<{ definition: string }>`
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
    'cache_outbox(cache, id)',
  ]) {
    t.ok(definitions.includes(expected), expected)
  }
  const [timeouts] = await primary.sql<{ statement: string; idle: string }>`
    select current_setting('statement_timeout') as statement, current_setting('idle_in_transaction_session_timeout') as idle,
      current_setting('transaction_timeout') as transaction`
  t.same(timeouts, { statement: '10s', idle: '10s', transaction: '20s' })
})

t.test('an unavailable server is DB_UNAVAILABLE', async (t) => {
  await t.rejects(migrate({ url: 'postgres://app@127.0.0.1:1/none' }), { code: 'DB_UNAVAILABLE' })
})

const connect = (t: TestScope, url: string) => {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  t.teardown(() => sql.end())
  return sql
}

/** A database with the migrations up to `tag`, as an earlier release left it. */
async function migratedTo(t: TestScope, tag: string) {
  const database = await testDatabase(t, { from: 'empty' })
  const migrationsFolder = await mkdtemp(join(tmpdir(), 'migrations-'))
  t.teardown(() => rm(migrationsFolder, { recursive: true }))
  await cp(MIGRATIONS_FOLDER, migrationsFolder, { recursive: true })
  const file = join(migrationsFolder, 'meta/_journal.json')
  const journal: { entries: { tag: string }[] } = JSON.parse(await readFile(file, 'utf8'))
  const entries = journal.entries.slice(0, journal.entries.findIndex((entry) => entry.tag === tag) + 1)
  await writeFile(file, JSON.stringify({ ...journal, entries }))
  const sql = connect(t, database.url)
  await applyMigrations(sql, { migrationsFolder })
  return { ...database, migrationsFolder, sql }
}

t.test('migrate returns the names of what it applied, a migration that was merged late too', async (t) => {
  const { url, sql } = await migratedTo(t, '0000_tables')
  await sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('newer', ${Date.now() * 2})`
  const later = MIGRATIONS.map(({ name }) => name).slice(1)
  t.same(await migrate({ url }), { applied: later, changed: [] })
  t.same(await migrate({ url }), { applied: [], changed: [] })
})

t.test('a changed file of an applied migration is reported, and an empty custom one refused', async (t) => {
  const { migrationsFolder, sql } = await migratedTo(t, '0001_row_checks')
  const file = join(migrationsFolder, '0001_row_checks.sql')
  await writeFile(file, `${await readFile(file, 'utf8')}\n-- reviewed\n`)
  t.same(await applyMigrations(sql, { migrationsFolder }), { applied: [], changed: ['0001_row_checks'] })

  const journalFile = join(migrationsFolder, 'meta/_journal.json')
  const journal = JSON.parse(await readFile(journalFile, 'utf8'))
  journal.entries.push({ idx: 2, version: '7', when: Date.now(), tag: '0002_custom', breakpoints: true })
  await writeFile(journalFile, JSON.stringify(journal))
  const custom = join(migrationsFolder, '0002_custom.sql')
  await writeFile(custom, '-- Custom SQL migration file, put your code below! --\n')
  await t.rejects(applyMigrations(sql, { migrationsFolder }), {
    code: 'MIGRATION_IS_EMPTY',
    message: /0002_custom has no statement yet/,
  })
  await writeFile(custom, 'create table custom (id int);')
  t.match(await applyMigrations(sql, { migrationsFolder }), { applied: ['0002_custom'] })
})

t.test('the check of migrations names the missing ones, until none is missing', async (t) => {
  const { url, apiUrl, superuserUrl, sql } = await migratedTo(t, '0001_row_checks')
  const superuser = connect(t, superuserUrl)
  const database = createDatabase({ url: apiUrl, poolSizes: TEST_POOL_SIZES, applicationName: 'check' })
  t.teardown(() => database.close())
  const reported: (readonly string[])[] = []
  const check = createMigrationCheck({
    database,
    migrations: MIGRATIONS,
    onUnapplied: (names) => reported.push(names),
  })
  await check()
  t.same(reported, [], 'a list that the role may not read is not reported')

  await superuser`grant usage on schema drizzle to reference_api`
  await superuser`grant select on drizzle.__drizzle_migrations to reference_api`
  const names = ['0002_validate_row_checks', '0003_cache_registrations']
  const missing = { code: 'MIGRATIONS_NOT_APPLIED', publicReason: `not applied: ${names.join(', ')}` }
  await t.rejects(check(), missing)
  await t.rejects(check(), missing)
  t.same(reported, [names], 'once')

  await migrate({ url })
  await check()
  await sql`delete from drizzle.__drizzle_migrations`
  await check()
  t.pass('it is not read again')
})

t.test(
  'without a list of migrations all are missing, and an unavailable server is not reported',
  async (t) => {
    const checkOf = (url: string) => {
      const database = createDatabase({ url, poolSizes: TEST_POOL_SIZES, applicationName: 'check' })
      t.teardown(() => database.close())
      return createMigrationCheck({ database, migrations: MIGRATIONS, onUnapplied: () => {} })
    }
    const { url } = await testDatabase(t, { from: 'empty' })
    await t.rejects(checkOf(url)(), { message: /0000_tables, .*0003_cache_registrations/ })
    await checkOf('postgres://app@127.0.0.1:1/none')()
  },
)

t.test('rows that break a new check stop its validation with the query that finds them', async (t) => {
  const { url, sql } = await migratedTo(t, '0000_tables')
  await sql`insert into users (email, name, created_at) values ('a@example.com', 'A', 'infinity'), ('b@example.com', 'B', now())`
  const failed = await migrate({ url }).then(
    () => undefined,
    (error: unknown) => error as Error,
  )
  t.match(failed, {
    code: 'MIGRATION_ROWS_BREAK_CHECK',
    table: 'users',
    constraint: 'users_created_at_check',
  })
  const [, query = ''] = /\n\n {2}(select .*;)\n\n/.exec(failed?.message ?? '') ?? []
  t.same(
    (await sql.unsafe(query)).map(({ email }) => email),
    ['a@example.com'],
  )
  await t.rejects(
    sql`insert into users (email, name, created_at) values ('c@example.com', 'C', '-infinity')`,
    { code: '23514' },
    'the first step is in force',
  )

  await sql`update users set created_at = now() where email = 'a@example.com'`
  await migrate({ url })
  t.same(await sql`select conname from pg_constraint where contype = 'c' and not convalidated`, [])
})

t.test('a migration that waits for a lock does not block other statements', async (t) => {
  const { url, superuserUrl, sql } = await migratedTo(t, '0000_tables')
  const migrationsFolder = MIGRATIONS_FOLDER
  const reader = connect(t, superuserUrl)
  const read = Promise.withResolvers<void>()
  const done = Promise.withResolvers<void>()
  const reading = reader.begin(async (tx) => {
    await tx`select from orders`
    read.resolve()
    await done.promise
  })
  await read.promise
  const limits = { lockTimeoutMs: 20, lockAttempts: 1 }
  await t.rejects(applyMigrations(sql, { migrationsFolder, ...limits }), { code: '55P03' })
  const migrating = migrate({ url })
  const other = connect(t, superuserUrl)
  await until('the migration has waited and given up', async () => {
    const [row] = await other`
      select from pg_stat_activity where datname = current_database() and application_name = 'migrate'
        and state = 'idle' and query like 'rollback%'`
    return row
  })
  t.same(await other`select from orders`, [], 'a read meanwhile is answered')
  done.resolve()
  await Promise.all([reading, migrating])
  t.same(await sql`select conname from pg_constraint where contype = 'c' and not convalidated`, [])
})
