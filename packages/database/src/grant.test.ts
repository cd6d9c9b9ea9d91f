import { testDatabase } from '@reference/local-stack'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { grantRows } from './index.ts'
import { ROLE_SETTINGS } from './role-settings.ts'

async function open(t: Test) {
  const { url, apiUrl, superuserUrl } = await testDatabase(t)
  const connect = (url: string) => {
    const sql = postgres(url, { max: 1, onnotice: () => {} })
    t.teardown(() => sql.end())
    return sql
  }
  return { url, apiUrl, owner: connect(url), api: connect(apiUrl), superuser: connect(superuserUrl) }
}

const DENIED = { code: '42501' }
const SCHEMAS = [
  'public',
  'pgboss', // part:jobs
]

t.test(
  'the role of the services reads and writes rows, in tables that a later migration creates too',
  async (t) => {
    const { owner, api } = await open(t)
    t.match(await api`select current_user::text as role`, [{ role: 'reference_api' }])
    for (const schema of SCHEMAS) {
      const tables = await owner<{ name: string }[]>`
      select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = ${schema}`
      t.ok(tables.length > 3, schema)
      for (const { name } of tables) {
        const [rights] =
          await api.unsafe(`select has_table_privilege('${name}', 'select') and has_table_privilege('${name}', 'insert')
        and has_table_privilege('${name}', 'update') and has_table_privilege('${name}', 'delete') as all,
        has_table_privilege('${name}', 'truncate') or has_table_privilege('${name}', 'references')
        or has_table_privilege('${name}', 'trigger') as more`)
        t.same(rights, { all: true, more: false }, name)
      }
    }
    await api`insert into settings (key, value) values ('a', '1')`
    await api`update settings set value = '2' where key = 'a'`
    t.same(await api`delete from settings where key = 'a' returning value`, [{ value: 2 }])
    await owner`create table later (id int generated always as identity, made serial, name text)`
    await api`insert into later (name) values ('x')`
    t.match(await api`select name from later`, [{ name: 'x' }])
  },
)

t.test('it cannot change a table, create anything, or see other schemas', async (t) => {
  const { api, superuser } = await open(t)
  await superuser`create schema elsewhere`
  for (const statement of [
    'create table mine (id int)',
    'create schema mine',
    'create table elsewhere.mine (id int)',
    'create function mine() returns int language sql as $$ select 1 $$',
    'create role mine',
    'alter table users add column admin boolean',
    'alter table users disable trigger all',
    'alter role reference superuser',
    "alter role reference password 'x'",
    'drop table users',
    'truncate orders',
    'create index on users (name)',
    'create trigger t before insert on users for each row execute function now()',
    'create policy p on users',
    'select rolpassword from pg_authid',
    'select * from pg_shadow',
    "insert into drizzle.__drizzle_migrations (hash, created_at) values ('x', 1)",
    'update drizzle.__drizzle_migrations set created_at = 0',
    "select pg_read_file('/etc/passwd')",
    "copy users to program 'cat'",
    "copy users from '/etc/passwd'",
    'alter system set fsync = off',
    'set role reference',
    'set session authorization postgres',
    'create table pgboss.mine (id int)', // part:jobs
    'truncate pgboss.job_common', // part:jobs
    'drop schema pgboss cascade', // part:jobs
    'checkpoint',
  ]) {
    await t.rejects(api.unsafe(statement), DENIED, statement)
  }
  t.ok(
    (await api`select from drizzle.__drizzle_migrations`).length > 0,
    'which migrations are applied is readable',
  )
})

t.test('its sessions have the same settings as those of the owner', async (t) => {
  const { owner, api } = await open(t)
  for (const [name, value] of Object.entries(ROLE_SETTINGS)) {
    const show = (sql: postgres.Sql) => sql.unsafe(`select current_setting('${name}') as value`)
    t.same(await show(api), await show(owner), `${name} = ${value}`)
  }
})

t.test('one role for both is left as it is, and granting again changes nothing', async (t) => {
  const { url, apiUrl, superuser } = await open(t)
  const rights = () =>
    superuser`select relname, relacl::text from pg_class where relnamespace = 'public'::regnamespace order by 1`
  const before = await rights()
  await grantRows({ ownerUrl: url, url, schemas: SCHEMAS })
  await Promise.all([1, 2].map(() => grantRows({ ownerUrl: url, url: apiUrl, schemas: SCHEMAS })))
  t.same(await rights(), before)
})
