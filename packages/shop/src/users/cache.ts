import { checkedRow, isIsoTimestamp } from '@reference/database'
import type { CacheEntry } from '../cache-entry.ts'
import type { User } from './model.ts'
import { userById, usersByIds } from './queries.ts'

/** How a user is cached, in both services. */
export const userEntry: CacheEntry<number, User> = ({ database, ttlMs }) => {
  const read = database.reader({ column: 'id', one: userById, many: usersByIds })
  return {
    name: 'user',
    // Raise it when the shape of the row changes: replicas of both releases then use keys of their own.
    version: 1,
    ttlMs,
    graceMs: ttlMs / 5,
    negativeTtlMs: 10_000,
    load: async (id, context) => checkedUser(await read(id, context)),
  }
}

const EMAIL = /^[^@]+@[^@]+$/s

/** @throws `ROW_NOT_REPRESENTABLE` (500) for a row that the checks of the table forbid */
export function checkedUser(row: User | undefined): User | undefined {
  return checkedRow('user', isRepresentable, row)
}

function isRepresentable({ name, email, createdAt }: User): boolean {
  return name !== '' && EMAIL.test(email) && isIsoTimestamp(createdAt)
}
