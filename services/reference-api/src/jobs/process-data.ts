import { defineJob, type JobContext } from '@reference/jobs'
import type { WorkerPool } from '@reference/threads'
import { type Static, Type } from 'typebox'
import { digest } from './digest.ts'

const Result = Type.Object(
  {
    bytes: Type.Integer({ description: 'Length of the canonical JSON in UTF-8' }),
    keys: Type.Integer({ description: 'Names at the top level' }),
    sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  },
  { additionalProperties: false },
)

/** The guide's `heavy_processing`, as a durable job: the digest of the payload's canonical JSON. */
export const processData = defineJob({
  name: 'process-data',
  data: Type.Object({ payload: Type.Record(Type.String(), Type.Unknown()) }),
  result: Result,
})

/**
 * From this size on the work goes to a worker thread. Measured (packages/threads/bench/worker-crossover.ts): rows keep the
 * event loop for 1.8 ms at 128 KiB and for 5 ms at 350 KiB, the worst shapes for 7–14 ms at 256 KiB; handing the text
 * over costs 0.05 ms.
 */
const WORKER_FROM_BYTES = 128 * 1024

/** Handles `process-data`: small payloads here, large ones in a worker thread so that requests do not wait for them. */
export function createProcessData(workers: WorkerPool) {
  return async ({
    data,
    signal,
  }: JobContext<Static<typeof processData.data>>): Promise<Static<typeof Result>> => {
    const json = JSON.stringify(data.payload)
    if (json.length < WORKER_FROM_BYTES) return digest(json)
    return workers.run(json, { signal })
  }
}
