import type { Transaction } from '@reference/database'
import { type App, clientSignal, described, IdempotencyHeaders, problem, sendStored } from '@reference/http'
import { Type } from 'typebox'
import type { Context } from '../context.ts'
import { notFound } from '../errors.ts'
import { digest } from '../jobs/digest.ts'
import { processData } from '../jobs/process-data.ts'

const Accepted = Type.Object({ status: Type.Literal('processing'), jobId: Type.String({ format: 'uuid' }) })
const JobParams = Type.Object(
  { id: Type.String({ minLength: 1, maxLength: 64 }) },
  { additionalProperties: false },
)
const STATES = ['queued', 'active', 'retrying', 'completed', 'failed', 'cancelled'] as const
const JobStatus = Type.Object({
  id: Type.String(),
  state: Type.Unsafe<(typeof STATES)[number]>(Type.String({ enum: [...STATES] })),
  progress: Type.Integer({ minimum: 0, maximum: 100 }),
  attempts: Type.Integer({ minimum: 0 }),
  result: Type.Unknown({ description: 'Null until completed' }),
  error: Type.Unknown({ description: 'Null unless an attempt failed' }),
})

export function jobRoutes(app: App, { jobs, write, once, config }: Context): void {
  /** Enqueues the work for a handler. `BACKGROUND_JOBS=off` does it in the request, to show what the queue is worth. */
  async function store(payload: Record<string, unknown>, tx: Transaction): Promise<string> {
    if (config.backgroundJobs) return jobs.enqueue(processData, { payload }, { tx })
    return jobs.storeCompleted(processData, { payload }, digest(JSON.stringify(payload)), { tx })
  }

  app.post(
    '/process-data',
    {
      config: { scope: 'write' },
      schema: {
        tags: ['jobs'],
        operationId: 'processData',
        summary: 'Process a JSON object in a background job',
        description: 'The reply is sent once the job is stored. `GET /jobs/{id}` reports its state.',
        headers: IdempotencyHeaders,
        body: Type.Record(Type.String(), Type.Unknown(), { examples: [{ hello: 'world' }] }),
        response: {
          202: described('The job is stored; `location` has its path', Accepted),
          422: problem('The idempotency-key was used with another body'),
        },
      },
    },
    async (request, reply) => {
      const enqueue = once(request, async (tx) => {
        const jobId = await store(request.body, tx)
        const body = JSON.stringify({ status: 'processing', jobId })
        return { result: { status: 202, headers: { location: `/jobs/${jobId}` }, body }, staleKeys: [] }
      })
      const stored = await write(enqueue, { waitSignal: clientSignal(reply) })
      if (config.backgroundJobs) jobs.wake(processData)
      return sendStored(reply, stored)
    },
  )

  app.get(
    '/jobs/:id',
    {
      config: { scope: 'write' },
      schema: {
        tags: ['jobs'],
        operationId: 'getJob',
        summary: 'The state of a job',
        params: JobParams,
        response: { 200: described('The job', JobStatus), 404: problem('There is no such job') },
      },
    },
    async (request) => {
      const status = await jobs.get(request.params.id)
      if (status === undefined) throw notFound('job')
      return { ...status, result: status.result ?? null, error: status.error ?? null }
    },
  )
}
