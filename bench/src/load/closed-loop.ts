import autocannon from 'autocannon'
import type { Request } from './request.ts'

export interface ClosedLoopOptions {
  readonly origin: string
  readonly connections: number
  readonly durationMs: number
  /** Distributed over the connections; each connection repeats its own share. */
  readonly requests: readonly Request[]
  /** Ends early once the rate is steady (warm-up). */
  readonly untilSteady?: boolean
}

export interface ClosedLoopResult {
  /** Requests a second over the measured time. */
  readonly rate: number
  /** All answered requests, including those before the measured time. */
  readonly answered: number
  readonly errors: number
  readonly bytesPerRequest: number
  /** Rate of each quarter of a second. */
  readonly slices: readonly number[]
  readonly steady: boolean
}

const SETTLE_MS = 50
const SLICE_MS = 250

/**
 * Sends as many requests as the server answers: each connection sends its next request after the reply to the last one.
 *
 * autocannon sends the load. The rate is counted here, because autocannon's own figure includes the opening of its
 * connections and ends on a whole sample.
 */
export async function closedLoop(options: ClosedLoopOptions): Promise<ClosedLoopResult> {
  const { origin, connections, durationMs, requests, untilSteady = false } = options
  const shares = distribute(requests, connections)
  let next = 0
  const { promise: finished, resolve, reject } = Promise.withResolvers<autocannon.Result>()
  const run = autocannon(
    {
      url: origin,
      connections,
      duration: durationMs / 1000 + 30,
      sampleInt: 20,
      timeout: 30,
      excludeErrorStats: true,
      setupClient(client) {
        discardBodies(client)
        client.setRequests((shares[next++ % shares.length] ?? []).map(toAutocannon))
      },
    },
    (error, result) => (error ? reject(error) : resolve(result)),
  )

  let count = 0
  run.on('response', () => {
    count++
  })
  await wait(SETTLE_MS)
  const slices: number[] = []
  const began = performance.now()
  const countAtBegin = count
  let [sliceBegan, sliceCount] = [began, count]
  while (performance.now() - began < durationMs && !(untilSteady && isSteady(slices))) {
    await wait(Math.min(SLICE_MS, durationMs - (performance.now() - began)))
    const now = performance.now()
    if (now - sliceBegan > SLICE_MS / 2) slices.push(((count - sliceCount) * 1000) / (now - sliceBegan))
    ;[sliceBegan, sliceCount] = [now, count]
  }
  const rate = ((count - countAtBegin) * 1000) / (performance.now() - began)
  run.stop()
  const result = await finished
  const answered = result.requests.total
  return {
    rate,
    answered,
    errors: result.errors + result.non2xx,
    bytesPerRequest: answered === 0 ? 0 : result.throughput.total / answered,
    slices,
    steady: isSteady(slices),
  }
}

/** Steady: at least three quarters of a second, and the last two rates within 5 % of each other. */
export function isSteady(slices: readonly number[]): boolean {
  const [before, last] = slices.slice(-2)
  if (slices.length < 3 || before === undefined || last === undefined) return false
  return Math.abs(last - before) <= 0.05 * Math.max(before, last)
}

/** Connection k of n gets requests k, k + n, k + 2n …, so that no two connections send the same request at once. */
function distribute(requests: readonly Request[], connections: number): Request[][] {
  const shares = Array.from({ length: Math.min(connections, requests.length) }, (): Request[] => [])
  requests.forEach((request, i) => {
    shares[i % shares.length]?.push(request)
  })
  return shares
}

function toAutocannon({ path, method = 'GET', headers, body }: Request): autocannon.Request {
  return { path, method, ...(headers && { headers: { ...headers } }), ...(body !== undefined && { body }) }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)))
}

/**
 * autocannon decodes each body as UTF-8, which is slow for gzip: with bodies of 2.6 KB it sent 28 k requests a second, without
 * decoding 56 k (as many as wrk). The decoding, not the server, was the limit.
 */
function discardBodies(client: autocannon.Client): void {
  const queue: unknown = Reflect.get(client, 'pipelinedRequests')
  if (typeof queue === 'object' && queue !== null) Reflect.set(queue, 'addBody', () => {})
}
