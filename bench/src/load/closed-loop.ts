import autocannon from 'autocannon'
import type { Request } from './request.ts'

export interface ClosedLoopOptions {
  readonly origin: string
  readonly connections: number
  readonly durationMs: number
  /** Dealt out over the connections; each starts again from its first when it has sent its share. */
  readonly requests: readonly Request[]
  /** End early once the rate is steady (warm-up). */
  readonly untilSteady?: boolean
}

export interface ClosedLoopResult {
  /** Requests a second, over the measured part. */
  readonly rate: number
  /** All answered requests, including those before the measured part began. */
  readonly answered: number
  readonly errors: number
  readonly bytesPerRequest: number
  /** Rates of successive quarter seconds. */
  readonly slices: readonly number[]
  readonly steady: boolean
}

const settleMs = 50
const sliceMs = 250

/**
 * As many requests as the server answers: each connection sends its next request when the last one is answered.
 *
 * The load is autocannon's; the rate is counted here, from the first answers on, because a run of autocannon includes
 * the opening of its connections and ends on a whole sample.
 */
export async function closedLoop(options: ClosedLoopOptions): Promise<ClosedLoopResult> {
  const { origin, connections, durationMs, requests, untilSteady = false } = options
  const shares = deal(requests, connections)
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
        forgetBodies(client)
        client.setRequests((shares[next++ % shares.length] ?? []).map(toAutocannon))
      },
    },
    (error, result) => (error ? reject(error) : resolve(result)),
  )

  let count = 0
  run.on('response', () => {
    count++
  })
  await wait(settleMs)
  const slices: number[] = []
  const began = performance.now()
  const countAtBegin = count
  let [sliceBegan, sliceCount] = [began, count]
  while (performance.now() - began < durationMs && !(untilSteady && isSteady(slices))) {
    await wait(Math.min(sliceMs, durationMs - (performance.now() - began)))
    const now = performance.now()
    if (now - sliceBegan > sliceMs / 2) slices.push(((count - sliceCount) * 1000) / (now - sliceBegan))
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

/** Steady: at least three quarter seconds, and the last two within 5 % of each other. */
export function isSteady(slices: readonly number[]): boolean {
  const [before, last] = slices.slice(-2)
  if (slices.length < 3 || before === undefined || last === undefined) return false
  return Math.abs(last - before) <= 0.05 * Math.max(before, last)
}

/** Connection k gets requests k, k + n, k + 2n …, so that no two ask for the same at the same time. */
function deal(requests: readonly Request[], connections: number): Request[][] {
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
 * autocannon keeps each body as text, and reading gzip as UTF-8 is slow: with bodies of 2.6 KB it sent 28 k requests a
 * second where it sends 56 k without (and wrk too), so it, not the server, was measured.
 */
function forgetBodies(client: autocannon.Client): void {
  const queue: unknown = Reflect.get(client, 'pipelinedRequests')
  if (typeof queue === 'object' && queue !== null) Reflect.set(queue, 'addBody', () => {})
}
