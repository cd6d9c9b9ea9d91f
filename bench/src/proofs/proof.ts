import { UnprovenError } from '../errors.ts'
import type { Request } from '../load/request.ts'
import type { DatabaseCosts } from '../stack/counters.ts'
import type { BenchStack } from '../stack/stack.ts'

/** What the measurement of one boot has observed. */
export interface Observations {
  /** Replies to the counted requests by `x-cache`, by `content-encoding`, by status. */
  readonly cache: Tally
  readonly encoding: Tally
  readonly status: Tally
  /** By the `server` header; `none` without one. */
  readonly server: Tally
  /** `x-cache` of the open loop's replies. */
  readonly loadCache: Tally
  readonly costs: DatabaseCosts
  /** Statements and commands a request over a slice of the load, background work included. */
  readonly load: { readonly answered: number; readonly statements: number; readonly commands: number }
  /** Reads of Redis from its sockets per request, under load. */
  readonly loadReadsPerRequest: number
  /** Connections that the machine opened per counted request; undefined off Linux. */
  readonly connectionsPerRequest: number | undefined
  /** Bytes logged per counted request. */
  readonly logBytesPerRequest: number
  /** Counters of the sidecars per request, over the measured load; empty without any. */
  readonly sidecar: Readonly<Record<string, number>>
  /** Highest number of sessions of this database at once, under load. */
  readonly sessions: number
}

export type Tally = Readonly<Record<string, number>>

/** The running server and its stack, for proofs that send requests of their own. */
export interface Target {
  readonly origin: string
  readonly pid: number
  readonly stack: BenchStack
  readonly databaseUrl: string
  /** A request of the scenario. */
  readonly request: Request
}

/**
 * Checks that a variant is what it claims to be.
 *
 * @returns the established fact in words
 * @throws UnprovenError when it does not hold
 */
export type Proof = (observed: Observations, target: Target) => string | Promise<string>

/** @throws UnprovenError unless `holds` */
export function prove(holds: boolean, message: string): asserts holds {
  if (!holds) throw new UnprovenError(message)
}

/** Share of a tally that has the value `key`; 1 for an empty tally. */
export function share(tally: Tally, key: string): number {
  const total = Object.values(tally).reduce((sum, count) => sum + count, 0)
  return total === 0 ? 1 : (tally[key] ?? 0) / total
}

export function describe(tally: Tally): string {
  return Object.entries(tally)
    .map(([key, count]) => `${key} ×${count}`)
    .join(', ')
}

/** Sends a request of the scenario, once, and reads the whole reply. */
export async function sendRequest({ origin, request }: Target): Promise<Response> {
  const { path, method = 'GET', headers, body } = request
  const reply = await fetch(`${origin}${path}`, {
    method,
    ...(headers && { headers }),
    ...(body !== undefined && { body }),
  })
  await reply.arrayBuffer()
  return reply
}
