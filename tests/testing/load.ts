import { Agent, request } from 'node:http'
import { until } from '@reference/async'

export interface Call {
  method?: 'GET' | 'POST' | 'PATCH'
  path: string
  headers?: Record<string, string>
  body?: unknown
}

export interface Answer {
  /** 0 when there was no answer. */
  status: number
  type: string
  body: string
  /** Such as `ECONNRESET` when there was no answer. */
  code?: string
  /** Finds the request in nginx's log. */
  requestId?: string
}

export interface Failure {
  /** Since the start of the load. */
  atMs: number
  call: string
  status: number
  /** Of the problem or of the connection, such as `OVERLOADED` or `ECONNRESET`. */
  code: string
  requestId: string
}

export interface LoadResult {
  sent: number
  failures: Failure[]
  /** Sorted, of all answers, in milliseconds. */
  latencies: number[]
}

export interface Load {
  /** Sends no further requests and waits for the requests in flight. */
  stop(): Promise<LoadResult>
}

const TIMEOUT_MS = 15_000

/** Sends one call. A connection error counts as an answer with status 0. */
export function send(origin: string, call: Call, agent?: Agent): Promise<Answer> {
  const { method = 'GET', path, headers = {}, body } = call
  return new Promise((resolve) => {
    const fail = (error: NodeJS.ErrnoException) =>
      resolve({ status: 0, type: '', body: '', code: error.code ?? error.message })
    const outgoing = request(
      `${origin}${path}`,
      {
        method,
        timeout: TIMEOUT_MS,
        headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(agent && { agent }),
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.once('error', fail)
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            type: response.headers['content-type'] ?? '',
            body: Buffer.concat(chunks).toString(),
            requestId: String(response.headers['x-request-id'] ?? ''),
          }),
        )
      },
    )
    outgoing.once('error', fail)
    outgoing.once('timeout', () => outgoing.destroy(new Error('TIMEOUT')))
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

/**
 * Sends calls at a fixed rate until it is stopped, whether or not earlier calls were answered. Every answer except 2xx and 3xx
 * is a failure.
 */
export function startLoad(origin: string, ratePerSecond: number, next: (index: number) => Call): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  const failures: Failure[] = []
  const latencies: number[] = []
  const pending = new Set<Promise<void>>()
  const began = performance.now()
  let sent = 0
  const timer = setInterval(() => {
    const due = ((performance.now() - began) / 1000) * ratePerSecond
    for (; sent < due; sent += 1) {
      const one = record(next(sent)).finally(() => pending.delete(one))
      pending.add(one)
    }
  }, 5)

  async function record(call: Call): Promise<void> {
    const at = performance.now()
    const { status, body, code, requestId = '' } = await send(origin, call, agent)
    latencies.push(performance.now() - at)
    if (status >= 200 && status < 400) return
    failures.push({
      atMs: Math.round(at - began),
      call: `${call.method ?? 'GET'} ${call.path}`,
      status,
      code: code ?? problemCode(body),
      requestId,
    })
  }

  return {
    async stop() {
      clearInterval(timer)
      await Promise.all(pending)
      agent.destroy()
      latencies.sort((a, b) => a - b)
      return { sent, failures, latencies }
    },
  }
}

/** The `code` of a problem; empty without one. */
function problemCode(body: string): string {
  return /"code":"(\w+)"/.exec(body)?.[1] ?? ''
}

/**
 * Measures the capacity: answers a second of `callers` callers, each of which sends its next call after the answer. The warm-up does not
 * count.
 */
export async function capacity(
  origin: string,
  next: (index: number) => Call,
  { callers = 24, warmUpMs = 6000, forMs = 4000 } = {},
): Promise<number> {
  const agent = new Agent({ keepAlive: true })
  const from = performance.now() + warmUpMs
  const end = from + forMs
  let sent = 0
  let answered = 0
  const one = async () => {
    while (performance.now() < end) {
      sent += 1
      await send(origin, next(sent), agent)
      if (performance.now() >= from) answered += 1
    }
  }
  await Promise.all(Array.from({ length: callers }, one))
  agent.destroy()
  return answered / (forMs / 1000)
}

/** Reads of both APIs, each kind in turn. */
export function reads(index: number): Call {
  const id = 1 + ((index * 7919) % 10_000)
  const kinds = [
    `/users/${id}`,
    `/orders?limit=20&userId=${id}`,
    `/products/${1 + (id % 1000)}`,
    `/orders/${id}`,
    `/users/${id % 100 || 1}`,
    '/all?limit=5',
    `/parallel/users/${id}`,
    '/orders?limit=50',
  ]
  return { path: kinds[index % kinds.length] ?? '/users/1' }
}

export function percentile(sorted: readonly number[], share: number): number {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
}

/** @returns whether the condition held within the limit; a condition that throws fails the test */
export async function holdsWithin(condition: () => Promise<boolean>, timeoutMs: number): Promise<boolean> {
  try {
    return await until('the condition holds', condition, { timeoutMs, intervalMs: 100 })
  } catch (error) {
    if ((error as { code?: string }).code === 'WAIT_TIMED_OUT') return false
    throw error
  }
}
