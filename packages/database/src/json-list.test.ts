import { sql } from 'drizzle-orm'
import { bigint, boolean, integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import t from 'tap'
import { timestampColumn } from './columns.ts'
import { jsonList } from './index.ts'
import { open } from './testing/open.ts'

const things = pgTable('things', {
  id: integer('id').primaryKey(),
  count: bigint('count_of', { mode: 'number' }),
  name: text('name'),
  isNew: boolean('is_new'),
  more: jsonb('more'),
  changedAt: timestampColumn('changed_at'),
})

t.test(
  'nullable columns of every type are JSON: null, or the value as JSON.stringify writes it',
  async (t) => {
    const { primary } = (await open(t)).database
    const rows = [
      { id: 1, count: null, name: null, isNew: null, more: null, changedAt: null },
      {
        id: 2,
        count: 2 ** 40,
        name: 'Zoë "\\" \n',
        isNew: false,
        more: { a: [1, null] },
        changedAt: '2024-02-29T23:59:59.987Z',
      },
    ]
    const { id, count, name, isNew, more, changedAt } = things
    const list = jsonList('things_json', {
      rows: () => sql`select * from ${things} order by ${id}`,
      members: { id, count, name, isNew, more, changedAt },
    })
    const bytes = await primary.transaction(async (tx) => {
      await tx.drizzle.execute(sql`create temporary table things (
      id integer primary key, count_of bigint, name text, is_new boolean, more jsonb, changed_at timestamptz(3)
    ) on commit drop`)
      await tx.drizzle.insert(things).values(rows)
      return tx.bytes(list, { limit: 10 })
    })
    const json = String(list.encode(bytes))
    // `jsonb` is written with spaces, so the texts of these rows are compared as values.
    t.same(JSON.parse(json), rows)
    t.match(json, '{"id":1,"count":null,"name":null,"isNew":null,"more":null,"changedAt":null}')
  },
)
