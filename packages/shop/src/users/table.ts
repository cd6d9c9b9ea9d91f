import { isTimestamp, timestampColumn } from '@reference/database'
import { type AnyColumn, and, type SQL, sql } from 'drizzle-orm'
import { check, integer, pgTable, unique, varchar } from 'drizzle-orm/pg-core'

export const users = pgTable(
  'users',
  {
    id: integer('id').primaryKey().generatedAlwaysAsIdentity(),
    email: varchar('email', { length: 320 }).notNull(),
    name: varchar('name', { length: 200 }).notNull(),
    createdAt: timestampColumn('created_at').notNull().defaultNow(),
  },
  (table) => [
    unique('users_email_unique').on(table.email),
    check('users_name_check', isName(table.name)),
    check('users_email_check', isEmail(table.email)),
    check('users_created_at_check', isTimestamp(table.createdAt)),
  ],
)

/** Lists leave out a row that is in the table although a check forbids it. */
export function isRepresentable(): SQL | undefined {
  return and(isName(users.name), isEmail(users.email), isTimestamp(users.createdAt))
}

function isName(column: AnyColumn): SQL {
  return sql`char_length(${column}) >= 1`
}

/** One `@`, neither first nor last. Not stricter than the API, which also refuses white space. */
function isEmail(column: AnyColumn): SQL {
  return sql`${column} like '_%@%_' and ${column} not like '%@%@%'`
}
