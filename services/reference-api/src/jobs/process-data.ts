import { defineJob } from '@reference/jobs'
import { Type } from 'typebox'
import { digest } from './digest.ts'
import { createJob } from './job.ts'

/** The digest of the payload's canonical JSON. It stands for CPU work that is too long for a request. */
export const processData = defineJob({
  name: 'process-data',
  data: Type.Object({ payload: Type.Record(Type.String(), Type.Unknown()) }),
  result: Type.Object(
    {
      bytes: Type.Integer({ description: 'Length of the canonical JSON in UTF-8' }),
      keys: Type.Integer({ description: 'Names at the top level' }),
      sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    },
    { additionalProperties: false },
  ),
})

/**
 * Payloads from this size on are processed in a worker thread. Measured (packages/threads/bench/worker-crossover.ts): rows block the
 * event loop for 1.8 ms at 128 KiB and for 5 ms at 350 KiB, the worst shapes for 7–14 ms at 256 KiB; sending the text to a thread
 * costs 0.05 ms.
 */
const WORKER_FROM_BYTES = 128 * 1024

/** Processes small payloads on the main thread, and large ones in a worker thread so that requests do not wait for them. */
export const processDataJob = createJob(
  processData,
  ({ workers }) =>
    async ({ data, signal }) => {
      const json = JSON.stringify(data.payload)
      return json.length < WORKER_FROM_BYTES ? digest(json) : workers.run(json, { signal })
    },
  { concurrency: 10, batchSize: 10 },
)
