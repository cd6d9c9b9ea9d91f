import { isOneOf, named, statement } from '@reference/database'
import { eq, sql } from 'drizzle-orm'
import type { Setting } from './model.ts'
import { settings } from './table.ts'

export { settings as table } from './table.ts'

const { placeholder } = sql

const columns = () => ({
  key: settings.key,
  value: settings.value,
  updatedAt: named<string>(settings.updatedAt, 'updatedAt'),
})

export const settingByKey = statement<{ key: string }, Setting>(
  'setting_by_key',
  (db) =>
    db
      .select(columns())
      .from(settings)
      .where(eq(settings.key, placeholder('key'))),
  { sample: { key: 'explain' } },
)

/** The rows that exist, in no order. */
export const settingsByKeys = statement<{ keys: string[] }, Setting>(
  'settings_by_keys',
  (db) =>
    db
      .select(columns())
      .from(settings)
      .where(isOneOf(settings.key, 'keys', 'text')),
  { sample: { keys: ['explain', 'missing'] } },
)

/** `valueJson` is JSON text. `created` distinguishes a new key from a new value: only the first version of a row has no xmax. */
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
  { sample: { key: 'explain', valueJson: '1' } },
)
