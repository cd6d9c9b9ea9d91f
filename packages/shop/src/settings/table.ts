import { isTimestamp, timestampColumn } from '@reference/database'
import { check, jsonb, pgTable, text } from 'drizzle-orm/pg-core'

export const settings = pgTable(
  'settings',
  {
    key: text('key').primaryKey(),
    value: jsonb('value').notNull(),
    updatedAt: timestampColumn('updated_at').notNull().defaultNow(),
  },
  (table) => [check('settings_updated_at_check', isTimestamp(table.updatedAt))],
)
