import { type Database, queries } from '@reference/database'
import { defineJob } from '@reference/jobs'
import { Type } from 'typebox'

const BATCH = 1000

/** Once an hour, in one of all processes: forgets the idempotency keys whose 24 h are over. */
export const purgeIdempotencyKeys = defineJob({
  name: 'purge-idempotency-keys',
  data: Type.Object({}),
  result: Type.Object({ deleted: Type.Integer() }),
  singleActive: true,
  cron: { expression: '17 * * * *', data: {} },
})

export function createPurge(database: Database) {
  return async ({ signal }: { readonly signal: AbortSignal }) => {
    let deleted = 0
    for (;;) {
      signal.throwIfAborted()
      const rows = await database.primary.run(queries.idempotencyPurge, { limit: BATCH })
      deleted += rows.length
      if (rows.length < BATCH) return { deleted }
    }
  }
}
