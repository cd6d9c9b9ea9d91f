import { eq, sql } from 'drizzle-orm'
import { named } from '../rows.ts'
import { settings } from '../schema.ts'
import { statement } from '../statement.ts'

const { placeholder } = sql

export type Setting = { key: string; value: unknown; updatedAt: string }

const columns = () => ({
  key: settings.key,
  value: settings.value,
  updatedAt: named<string>(settings.updatedAt, 'updatedAt'),
})

export const settingByKey = statement<{ key: string }, Setting>('setting_by_key', (db) =>
  db
    .select(columns())
    .from(settings)
    .where(eq(settings.key, placeholder('key'))),
)

/** `valueJson` is JSON text. `created` tells a new key from a new value: only a row's first version has no xmax. */
export const putSetting = statement<{ key: string; valueJson: string }, Setting & { created: boolean }>(
  'put_setting',
  (db) =>
    db
      .insert(settings)
      .values({ key: placeholder('key'), value: sql`${placeholder('valueJson')}::jsonb` })
      .onConflictDoUpdate({
        target: settings.key,
        set: { value: sql`excluded.value`, updatedAt: sql`now()` },
      })
      .returning({ ...columns(), created: named<boolean>(sql`(xmax = 0)`, 'created') }),
)
