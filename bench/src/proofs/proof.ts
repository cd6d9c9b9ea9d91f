import { UnprovenError } from '../errors.ts'
import type { Request } from '../load/request.ts'
import type { DatabaseCosts } from '../stack/counters.ts'
import type { BenchStack } from '../stack/stack.ts'

/** What is known about a server that was just measured. */
export interface Evidence {
  /** Answers to the counted requests, by `x-cache`, by `content-encoding`, by status. */
  readonly cache: Tally
  readonly encoding: Tally
  readonly status: Tally
  /** By the `server` header; `none` where there is none. */
  readonly server: Tally
  /** `x-cache` of the open loop's answers. */
  readonly loadCache: Tally
  readonly costs: DatabaseCosts
  /** Statements and commands a request over the whole measured load, background included. */
  readonly load: { readonly answered: number; readonly statements: number; readonly commands: number }
  /** How often Redis read from its sockets per request, under load. */
  readonly loadReadsPerRequest: number
  /** Connections that the machine opened per counted request. */
  readonly connectionsPerRequest: number | undefined
  /** Bytes logged per counted request. */
  readonly logBytesPerRequest: number
  /** What the container on the way counted per request, over the measured load; empty where there is none. */
  readonly companion: Readonly<Record<string, number>>
  /** Most sessions of this database that were open at once, under load. */
  readonly sessions: number
}

export type Tally = Readonly<Record<string, number>>

/** The live server and what stands behind it, for proofs that have to try something. */
export interface Subject {
  readonly origin: string
  readonly pid: number
  readonly stack: BenchStack
  readonly databaseUrl: string
  /** A path of this scenario, and the whole request. */
  readonly path: string
  readonly request: Request
}

/** Returns the fact that it established, in words; throws `UnprovenError` when it does not hold. */
export type Proof = (evidence: Evidence, subject: Subject) => string | Promise<string>

/** Throws unless `holds`. */
export function require(holds: boolean, message: string): asserts holds {
  if (!holds) throw new UnprovenError(message)
}

/** Share of a tally that has the value `key`; 1 of an empty tally. */
export function share(tally: Tally, key: string): number {
  const total = Object.values(tally).reduce((sum, count) => sum + count, 0)
  return total === 0 ? 1 : (tally[key] ?? 0) / total
}

export function describe(tally: Tally): string {
  return Object.entries(tally)
    .map(([key, count]) => `${key} ×${count}`)
    .join(', ')
}
