import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { trace } from '@opentelemetry/api'
import type { HotTrace, TracedRequest } from '@reference/http'
import t from 'tap'
import { traceRequests } from './traced-requests.ts'

const raw = () => ({ url: '/users/1', headers: {} }) as IncomingMessage

/** Publishes what a hot route asks. */
function askHot(request: IncomingMessage): boolean {
  const hot: HotTrace = { request, traceparent: undefined, isKept: false }
  channel('reference:http.hot').publish(hot)
  return hot.isKept
}

/** Publishes what Fastify's hook does; whether the request has a span. */
function begin(request: IncomingMessage): boolean {
  const traced = {
    request: {
      raw: request,
      headers: {},
      method: 'GET',
      id: '1',
      routeOptions: { url: '/users/:id', config: {} },
    },
    reply: { raw: new EventEmitter() },
    run: (rest: () => void) => rest(),
  } as unknown as TracedRequest
  channel('reference:http.request').publish(traced)
  return traced.traceId !== undefined
}

t.test('a request that a hot route leaves to Fastify is decided once', async (t) => {
  const decisions = [false, true, true, false]
  const stop = traceRequests(trace.getTracer('test'), {
    keeps: () => decisions.shift() === true,
    ids: { generateTraceId: () => 'a'.repeat(32), generateSpanId: () => '1'.repeat(16) },
  })
  const [missed, kept, other] = [raw(), raw(), raw()]
  t.equal(askHot(missed), false)
  t.equal(begin(missed), false, 'the hot route had no reply')
  t.equal(askHot(kept), true)
  t.equal(begin(kept), true)
  t.equal(begin(other), true, 'no hot route was asked')
  t.equal(askHot(raw()), false)
  t.same(decisions, [])
  stop()
  t.notOk(channel('reference:http.hot').hasSubscribers || channel('reference:http.request').hasSubscribers)
})
