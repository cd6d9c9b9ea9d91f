import { setTimeout as delay } from 'node:timers/promises'
import { KINDS } from '@reference/tools/recorded-faults'
import { call, type Outcome, type Reply } from './call.ts'
import type { FaultStack } from './stack.ts'

export type Kind = (typeof KINDS)[number]

export interface Counted {
  readonly outcomes: Record<Outcome, number>
  slowestMs: number
}

const PAUSE_MS = 40

/** Orders and jobs that were sent, each under an idempotency key, and the id that was acknowledged. */
export class Ledger {
  readonly userId: number
  readonly orders = new Map<string, number | undefined>()
  readonly jobs = new Map<string, string | undefined>()

  constructor(userId: number) {
    this.userId = userId
  }

  get acknowledged(): number {
    const known = (ids: Map<string, unknown>) => [...ids.values()].filter((id) => id !== undefined).length
    const counts = [
      known(this.orders),
      known(this.jobs), // part:jobs
    ]
    return counts.reduce((sum, count) => sum + count)
  }
}

/** Callers of each kind, one after the other within a kind, until it is stopped. */
export class Load {
  readonly ledger: Ledger
  readonly #stack: FaultStack
  readonly #name: string
  readonly #callers: Promise<void>[]
  #counts = newCounts()
  #isStopped = false
  #number = 0
  /** When the present series of successes of a kind began, and how long it is. */
  readonly #series = new Map<Kind, { since: number; length: number }>()
  readonly withoutRetryAfter: string[] = []

  constructor(stack: FaultStack, ledger: Ledger, name: string) {
    this.#stack = stack
    this.ledger = ledger
    this.#name = name
    this.#callers = KINDS.flatMap((kind) => (kind === 'write' ? [kind, kind] : [kind])).map((kind) =>
      this.#repeat(kind),
    )
  }

  /** The counts since the last call of this function. */
  takeCounts(): Record<Kind, Counted> {
    const taken = this.#counts
    this.#counts = newCounts()
    return taken
  }

  /** When the last of the kinds began to succeed without interruption; undefined while one fails. */
  steadySince(length: number): number | undefined {
    const series = KINDS.map((kind) => this.#series.get(kind))
    if (series.some((each) => each === undefined || each.length < length)) return undefined
    return Math.max(...series.map((each) => each?.since ?? 0))
  }

  resetSeries(): void {
    this.#series.clear()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#callers)
  }

  async #repeat(kind: Kind): Promise<void> {
    while (!this.#isStopped) {
      const beganAt = performance.now()
      this.#count(kind, beganAt, await this.#send(kind))
      await delay(PAUSE_MS)
    }
  }

  #count(kind: Kind, beganAt: number, { outcome, ms, retryAfter }: Reply): void {
    const counted = this.#counts[kind]
    counted.outcomes[outcome] = (counted.outcomes[outcome] ?? 0) + 1
    counted.slowestMs = Math.max(counted.slowestMs, ms)
    if (outcome === '503' && retryAfter === undefined) this.withoutRetryAfter.push(kind)
    if (!outcome.startsWith('2')) this.#series.delete(kind)
    else {
      const series = this.#series.get(kind) ?? { since: beganAt, length: 0 }
      series.length++
      this.#series.set(kind, series)
    }
  }

  #send(kind: Kind): Promise<Reply> {
    const { api, parallel } = this.#stack
    const number = this.#number++
    switch (kind) {
      case 'health':
        return call(api.origin, 'GET', '/health')
      case 'cached read':
        return call(api.origin, 'GET', `/users/${1 + (number % 1000)}`)
      case 'list':
        return call(api.origin, 'GET', `/orders?userId=${1 + (number % 1000)}&limit=5`)
      case 'write':
        return this.sendOrder(`${this.#name}-${number}`)
      // part:jobs
      case 'job':
        return this.sendJob(`${this.#name}-${number}`)
      // end:jobs
      case 'aggregate':
        return call(parallel.origin, 'GET', '/aggregate?limit=3')
    }
  }

  async sendOrder(key: string): Promise<Reply> {
    const { orders, userId } = this.ledger
    if (!orders.has(key)) orders.set(key, undefined)
    const body = { userId, productId: 1, quantity: 1 }
    const reply = await call(this.#stack.api.origin, 'POST', '/orders', {
      body,
      headers: { 'idempotency-key': key },
    })
    if (reply.outcome === '201') orders.set(key, reply.body.id)
    return reply
  }

  // part:jobs
  async sendJob(key: string): Promise<Reply> {
    const { jobs } = this.ledger
    if (!jobs.has(key)) jobs.set(key, undefined)
    const headers = { 'idempotency-key': key }
    const reply = await call(this.#stack.api.origin, 'POST', '/process-data', { body: { key }, headers })
    if (reply.outcome === '202') jobs.set(key, reply.body.jobId)
    return reply
  }
  // end:jobs
}

function newCounts(): Record<Kind, Counted> {
  return Object.fromEntries(KINDS.map((kind) => [kind, { outcomes: {}, slowestMs: 0 }])) as unknown as Record<
    Kind,
    Counted
  >
}
