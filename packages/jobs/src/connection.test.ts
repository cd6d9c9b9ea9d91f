import { testDatabase } from '@reference/local-stack'
import t from 'tap'
import { createConnection } from './connection.ts'

async function open(t: Parameters<typeof testDatabase>[0]) {
  const { url, superuserUrl } = await testDatabase(t, { from: 'empty' })
  const settings = { applicationName: 'test', max: 1, prepare: true, onError: () => {} }
  const connection = createConnection({ url, ...settings })
  const admin = createConnection({ url: superuserUrl, ...settings })
  t.teardown(() => Promise.all([connection.close(), admin.close()]))
  await admin.query('create table note (text varchar(10) not null)')
  await admin.query('grant all on note to public')
  return { connection, admin }
}

// In the form of pg-boss's inserts, the only statements that are prepared.
const INSERT = '\n    INSERT INTO note (text) VALUES ($1) RETURNING text'

t.test(
  'a prepared insert succeeds after its table has changed, and after the server has deallocated it',
  async (t) => {
    const { connection, admin } = await open(t)
    const insert = async (text: string) => (await connection.db.executeSql(INSERT, [text])).rows
    for (let n = 0; n < 3; n++) {
      t.same(await insert('a'), [{ text: 'a' }])
      await admin.query(`alter table note alter column text type ${n % 2 === 0 ? 'text' : 'varchar(10)'}`)
      t.same(await insert('b'), [{ text: 'b' }])
      t.same(await insert('c'), [{ text: 'c' }])
      await connection.query('deallocate all')
      t.same(await insert('d'), [{ text: 'd' }])
    }
    t.same((await admin.query('select count(*)::int as count from note')).rows, [{ count: 12 }])
  },
)

t.test(
  'a statement and a transaction that lose a conflict are repeated a limited number of times',
  async (t) => {
    const { connection, admin } = await open(t)
    for (const [code, times] of [
      ['40001', 3],
      ['40P01', 3],
    ] as const) {
      // A rollback does not undo the count of a sequence.
      await admin.query(`create sequence turn_${code}; grant all on sequence turn_${code} to public`)
      await admin.query(`create function refuse_${code}() returns trigger language plpgsql as $$
      begin
        if nextval('turn_${code}') % ${times + 1} <> 0 then raise exception 'refused' using errcode = '${code}'; end if;
        return new;
      end $$`)
      await admin.query(
        `create trigger refuse before insert on note for each row execute function refuse_${code}()`,
      )
      t.equal((await connection.query(INSERT, ['a'])).rows.length, 1)
      let runs = 0
      await connection.transaction(async (db) => {
        runs++
        await db.executeSql(INSERT, ['b'])
      })
      t.equal(runs, times + 1)
      t.same((await admin.query('select text from note order by 1')).rows, [{ text: 'a' }, { text: 'b' }])
      await admin.query('drop trigger refuse on note; truncate note')
    }
    await admin.query(`create function refuse() returns trigger language plpgsql as $$
    begin raise exception 'refused' using errcode = '40001'; end $$`)
    await admin.query('create trigger refuse before insert on note for each row execute function refuse()')
    await t.rejects(connection.query(INSERT, ['a']), { code: '40001' })
  },
)
