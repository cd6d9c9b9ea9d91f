import type { IdempotencyStore } from '@reference/database'
import { defineJob } from '@reference/jobs'
import { Type } from 'typebox'

/** Deletes the idempotency keys that are older than 24 h, once an hour in one of all processes. */
export const purgeIdempotencyKeys = defineJob({
  name: 'purge-idempotency-keys',
  data: Type.Object({}),
  result: Type.Object({ deleted: Type.Integer() }),
  singleActive: true,
  cron: { expression: '17 * * * *', data: {} },
})

export function createPurge({ purge }: IdempotencyStore) {
  return async ({ signal }: { readonly signal: AbortSignal }) => ({ deleted: await purge(signal) })
}
