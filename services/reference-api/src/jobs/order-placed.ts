import { defineJob, JobPermanentError } from '@reference/jobs'
import { Order } from '@reference/shop/orders/model'
import { Type } from 'typebox'
import { createJob } from './job.ts'

/**
 * The event that an order was placed, stored in the transaction of the order: both exist or neither does. It holds the order as it was
 * placed, so that a later change does not alter it.
 */
export const orderPlaced = defineJob({
  name: 'order-placed',
  data: Type.Object({ order: Order }),
  result: Type.Object({ status: Type.Integer() }),
})

/** Of one delivery. Longer than a receiver needs, shorter than the heartbeat of the worker. */
const TIMEOUT_MS = 5_000

/**
 * Sends each event to `ORDER_EVENTS_URL`, at least once: after a failure, or when its worker died before it had stored the reply, the event
 * is sent again. The handler itself changes nothing, so it may run any number of times; the receiver recognises a repetition by the
 * `idempotency-key`, which is the id of the job.
 */
export const orderPlacedJob = createJob(
  orderPlaced,
  ({ config }) =>
    async ({ id, data: { order }, signal }) => {
      const response = await fetch(config.orderEventsUrl ?? '', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': id },
        body: JSON.stringify({ id, type: 'order.placed', time: order.createdAt, data: order }),
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
        redirect: 'error',
      })
      await response.body?.cancel()
      if (response.ok) return { status: response.status }
      throw failureOf(response.status)
    },
  { concurrency: 10, batchSize: 10 },
)

/** A receiver that refuses the event would refuse it again; 408 and 429 ask for a later attempt. */
function failureOf(status: number): Error {
  const message = `The receiver of order events answered ${status}`
  const isRefusal = status >= 400 && status < 500 && status !== 408 && status !== 429
  return isRefusal ? new JobPermanentError(message) : new Error(message)
}
