import type { SQL } from 'drizzle-orm'
import { integer, PgDialect, pgTable, text } from 'drizzle-orm/pg-core'
import t from 'tap'
import { keyset } from './keyset.ts'

const things = pgTable('things', { id: integer('id').notNull(), name: text('name').notNull() })
const textOf = (part: SQL) => new PgDialect().sqlToQuery(part).sql

t.test('a page starts behind its cursor, in the direction of its order', async (t) => {
  const byId = keyset({ after: { column: things.id, type: 'int' } }, 'asc')
  t.equal(textOf(byId.behind), '"things"."id" > $1::int')
  t.equal(textOf(byId.order), '"things"."id" asc')
  const byName = keyset(
    { name: { column: things.name, type: 'text' }, id: { column: things.id, type: 'int' } },
    'desc',
  )
  t.equal(textOf(byName.behind), '("things"."name", "things"."id") < ($1::text, $2::int)')
  t.equal(textOf(byName.order), '"things"."name" desc, "things"."id" desc')
})
