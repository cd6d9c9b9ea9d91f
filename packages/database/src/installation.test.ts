import { testDatabase } from '@reference/local-stack'
import { seed } from '@reference/shop'
import postgres from 'postgres'
import t from 'tap'
import { createInstallationReader } from './index.ts'
import { openOn } from './testing/open.ts'

type Scope = Parameters<typeof testDatabase>[0]

async function open(t: Scope) {
  const { url, superuserUrl } = await testDatabase(t)
  const sql = postgres(superuserUrl, { max: 1, onnotice: () => {} })
  t.teardown(() => sql.end())
  return { url, sql, read: createInstallationReader(openOn(t, { url })) }
}

t.test('all readers get one name for a database, and two copies of a template have two names', async (t) => {
  const [one, two] = [await open(t), await open(t)]
  const name = await one.read()
  t.match(name, /^db-[0-9a-f]{10}$/)
  t.equal(await createInstallationReader(openOn(t, { url: one.url }))(), name)
  t.not(await two.read(), name)
  const ids = await Promise.all([one, two].map(({ sql }) => sql`select id from installation`))
  t.same(ids[0], ids[1], 'although the row is the same')
})

t.test('the name changes when the content of the database is replaced', async (t) => {
  const { url, sql, read } = await open(t)
  const names = [await read()]
  const changes = async () => {
    names.push(await read())
    return new Set(names).size === names.length
  }
  // The effect of pg_restore --clean: the same rows in a new table.
  await sql.begin(async (tx) => {
    await tx`alter table installation rename to earlier`
    await tx`create table installation (like earlier including all)`
    await tx`insert into installation select * from earlier`
    await tx`alter table installation owner to current_user`
    await tx`drop table earlier`
    await tx`grant all on installation to public`
  })
  t.ok(await changes(), 'a dump was restored')
  await sql`update installation set id = gen_random_uuid()`
  t.ok(await changes(), 'an operator has renewed it')
  await sql`truncate users, products, orders, installation restart identity cascade`
  t.ok(await changes(), 'the row was removed and is inserted again')
  await seed({ url, users: 1, products: 1, orders: 1 })
  t.ok(await changes(), 'a seed has filled an empty database')
  await seed({ url })
  t.notOk(await changes(), 'and did nothing the second time')
})

t.test('a role that may not read the system identifier gets a name without it', async (t) => {
  const { sql, read } = await open(t)
  const name = await read()
  await sql`revoke execute on function pg_control_system() from public`
  const without = await read()
  t.match(without, /^db-[0-9a-f]{10}$/)
  t.not(without, name)
  t.equal(await read(), without)
})
