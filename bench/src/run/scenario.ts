import type { ServiceName } from '@reference/shop/services'
import type { Request } from '../load/request.ts'
import type { Proof } from '../proofs/proof.ts'
import type { Dataset } from '../stack/dataset.ts'
import type { SidecarKind } from '../stack/sidecar.ts'
import type { BenchStack } from '../stack/stack.ts'

/** Where a reader finds the subject of a measurement. */
export interface Links {
  /** File in the repository, such as `packages/http/src/hot-routes.ts`. */
  readonly code: string
  /** File and heading, such as `docs/TUNING.md#apis`. */
  readonly docs: string
}

/** One measurement: requests to one service, as shipped and with something changed. */
export interface Scenario {
  /** As `pnpm bench <name>` takes it. */
  readonly name: string
  readonly title: string
  /** The requests and the figure of interest, in a sentence or two. */
  readonly about: string
  /** Heading of the performance tuning guide. */
  readonly guide: string
  /** For the variants that have no links of their own. */
  readonly links?: Links
  readonly service: ServiceName
  /** Part of `pnpm bench` without names. */
  readonly inDefaultRun: boolean
  /** The metric of the verdicts. Throughput: closed loop, higher is better; p99: open loop, lower is better. */
  readonly primary: 'throughput' | 'p99'
  /** Closed loop: number of callers, each of which waits for its reply. */
  readonly connections: number
  /** For the closed loop, and for the open loop unless `open.requests` is set. */
  readonly requests: (dataset: Dataset) => readonly Request[]
  readonly open?: OpenLoad
  /**
   * Requests a second in place of the closed loop, so that all variants do the same work. The scenario then has no
   * throughput.
   */
  readonly pacedPerSecond?: number
  /** The server works in threads and may use more than one core. */
  readonly everyCore?: boolean
  /** Also starts a reference-api and passes its URL to the service. */
  readonly upstream?: boolean
  /** Number of requests that are sent one by one to count the cost of each. */
  readonly counted?: number
  /** All as shipped. */
  readonly tuned: Variant
  /** The variants that are compared with it. */
  readonly variants: readonly Variant[]
}

interface OpenLoad {
  readonly requests?: (dataset: Dataset) => readonly Request[]
  /** Default: half of the slowest variant's throughput in the first boot. */
  readonly ratePerSecond?: number
  /** Runs during the closed loop, to measure the effect of one kind of request on the other. */
  readonly beside?: boolean
  /** Low rates need a longer time for a p99. */
  readonly leastMs?: number
}

export interface Variant {
  /** Such as `CACHE_L1=off`; unique in its scenario. */
  readonly name: string
  /** The tuning that this variant lacks: the bar's label, such as `cache tier 1`. */
  readonly label: string
  readonly links?: Links
  /** Settings that differ from the defaults. */
  readonly environment: Readonly<Record<string, string>>
  /** For variants that differ in their requests. */
  readonly requests?: (dataset: Dataset) => readonly Request[]
  /** Runs on a copy of the database, changed by this SQL. */
  readonly database?: { readonly name: string; readonly change: string }
  /** A container that the requests go through. */
  readonly front?: SidecarKind
  /** A container that the service's statements go through; migrations and LISTEN connect directly. */
  readonly pooler?: SidecarKind
  /** Tracing is on, and this share of the traces is kept and exported, 0–1. */
  readonly tracesKept?: number
  /** Has a Redis of its own, which it may empty without emptying the caches of the variants beside it. */
  readonly ownRedis?: boolean
  /** Reads tier 2. A variant with a Redis of its own does. */
  readonly needsRedis?: boolean
  /** Runs before each measurement, for example to empty Redis. */
  readonly before?: (stack: BenchStack, origin: string) => Promise<void>
  /** Facts that must hold before a figure of this variant counts. */
  readonly proofs: readonly Proof[]
  /** Only with `--full`. */
  readonly fullOnly?: boolean
}

/** The rate of the open loop for this throughput: below saturation, and within the precision of the generator. */
export function openLoopRate(throughput: number): number {
  return Math.max(1, Math.min(MAX_OPEN_LOOP_RATE, Math.round(throughput / 2)))
}

/** Above this rate the generator's own timing would dominate the latencies. */
const MAX_OPEN_LOOP_RATE = 2000
