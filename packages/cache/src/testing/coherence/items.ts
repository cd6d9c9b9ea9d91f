import type { Sql } from 'postgres'
import { keyOf } from '../../index.ts'
import { insertIntoOutbox } from '../postgres-outbox.ts'

/** Keys 1 to 200 are kept in both tiers, the next 20 in tier 1 alone. */
const SHARED_KEYS = 200
const LOCAL_KEYS = 20
/** The last of the shared keys. Only doomed writers write them, so that no later write hides what their death has left. */
const QUIET_KEYS = 40

export const ALL_KEYS = SHARED_KEYS + LOCAL_KEYS
export const ITEM = { name: 'item', version: 1 }
export const LOCAL = { name: 'local', version: 1 }

export const isLocal = (key: number): boolean => key > SHARED_KEYS

/** Some keys are read and written much more often than others. */
export const sharedKey = (): number => 1 + Math.floor(Math.random() ** 2 * SHARED_KEYS)

export const localKey = (): number => SHARED_KEYS + 1 + Math.floor(Math.random() * LOCAL_KEYS)

export const writableKey = (): number => 1 + Math.floor(Math.random() ** 2 * (SHARED_KEYS - QUIET_KEYS))

export const quietKey = (): number => SHARED_KEYS - Math.floor(Math.random() * QUIET_KEYS)

/** As a service writes: the row and its cache key in one transaction. */
export async function commit(sql: Sql, key: number) {
  return sql.begin(async (tx) => {
    const [row] = await tx<
      { version: number }[]
    >`UPDATE items SET version = version + 1 WHERE id = ${key} RETURNING version`
    const rows = await insertIntoOutbox(tx, [keyOf(isLocal(key) ? LOCAL : ITEM, key)])
    return { key, version: row?.version ?? -1, rows }
  })
}
