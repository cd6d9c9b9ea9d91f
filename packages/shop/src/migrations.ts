import type { Migration } from '@reference/database'
import journal from '../migrations/meta/_journal.json' with { type: 'json' }

/** The migrations of this code. They are a part of each bundle, so that a service knows which ones its database needs. */
export const MIGRATIONS: readonly Migration[] = journal.entries.map(({ tag, when }) => ({
  name: tag,
  createdAt: when,
}))
