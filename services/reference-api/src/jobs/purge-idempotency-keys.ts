import { createIdempotencyStore } from '@reference/database'
import { defineJob } from '@reference/jobs'
import { Type } from 'typebox'
import { createJob } from './job.ts'

const purgeIdempotencyKeys = defineJob({
  name: 'purge-idempotency-keys',
  data: Type.Object({}),
  result: Type.Object({ deleted: Type.Integer() }),
  singleActive: true,
  cron: { expression: '17 * * * *', data: {} },
})

/** Deletes the replies of idempotency keys that are older than 24 h, once an hour in one of all processes. */
export const purgeIdempotencyKeysJob = createJob(
  purgeIdempotencyKeys,
  ({ database }) => {
    const { purge } = createIdempotencyStore(database)
    return async ({ signal }) => ({ deleted: await purge(signal) })
  },
  { concurrency: 1 },
)
