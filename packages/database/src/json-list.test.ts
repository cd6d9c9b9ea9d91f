import { sql } from 'drizzle-orm'
import { bigint, boolean, integer, jsonb, pgTable, text } from 'drizzle-orm/pg-core'
import t from 'tap'
import { timestampColumn } from './columns.ts'
import { jsonList, statement } from './index.ts'
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
    const list = statement<{ limit: number }, { json: string }>('things_json', () => {
      const { id, count, name, isNew, more, changedAt } = things
      return jsonList(sql`select * from ${things} order by ${id}`, {
        id,
        count,
        name,
        isNew,
        more,
        changedAt,
      })
    })
    const found = await primary.transaction(async (tx) => {
      await tx.drizzle.execute(sql`create temporary table things (
      id integer primary key, count_of bigint, name text, is_new boolean, more jsonb, changed_at timestamptz(3)
    ) on commit drop`)
      await tx.drizzle.insert(things).values(rows)
      return tx.first(list, { limit: 10 })
    })
    // `jsonb` is written with spaces, so the texts of these rows are compared as values.
    t.same(JSON.parse(found?.json ?? ''), rows)
    t.match(found?.json, '{"id":1,"count":null,"name":null,"isNew":null,"more":null,"changedAt":null}')
  },
)
