import type { ServiceName } from '@reference/config'
import type { Request, World } from '../load/request.ts'
import type { Proof } from '../proofs/proof.ts'
import type { CompanionKind } from '../stack/sidecar.ts'
import type { BenchStack } from '../stack/stack.ts'

/** One thing that is measured: requests to one service, as tuned and with something changed. */
export interface Scenario {
  /** As `pnpm bench <name>` takes it. */
  readonly name: string
  readonly title: string
  /** What is sent and what is read off, in a sentence or two. */
  readonly about: string
  /** Heading of the performance tuning guide. */
  readonly guide: string
  readonly service: ServiceName
  /** Part of `pnpm bench` without names. */
  readonly inDefaultRun: boolean
  /** What verdicts are about. Throughput: closed loop, higher is better; p99: open loop, lower is better. */
  readonly primary: 'throughput' | 'p99'
  /** Closed loop: callers that each wait for their answer. */
  readonly connections: number
  /** Closed loop, and open loop unless `open` says otherwise. */
  readonly requests: (world: World) => readonly Request[]
  readonly open?: {
    readonly requests?: (world: World) => readonly Request[]
    /** Fixed rate; otherwise half of what the slowest variant reached in the closed loop of the first round. */
    readonly ratePerSecond?: number
    /** Runs while the closed loop runs: what does one kind of request do to the other? */
    readonly beside?: boolean
    /** Low rates need longer for a p99. */
    readonly leastMs?: number
  }
  /**
   * Instead of the closed loop: requests at this rate, so that both sides do the same work. There is no throughput to
   * compare then.
   */
  readonly pacedPerSecond?: number
  /** The server computes in threads: it may use more cores than one, where there are. */
  readonly everyCore?: boolean
  /** A reference-api runs too, and the service is told of it. */
  readonly upstream?: boolean
  /** Requests sent one by one to count what each costs. */
  readonly counted?: number
  /** All as shipped. */
  readonly tuned: Variant
  /** What is compared with it. */
  readonly variants: readonly Variant[]
}

export interface Variant {
  /** Such as `CACHE_L1=off`; unique in its scenario. */
  readonly name: string
  /** What the tuned side has that this one has not: the bar's label, such as `cache tier 1`. */
  readonly label: string
  /** Settings that differ from the defaults. */
  readonly environment: Readonly<Record<string, string>>
  /** Where the requests, not the settings, differ. */
  readonly requests?: (world: World) => readonly Request[]
  /** Runs on a copy of the database, changed by this SQL. */
  readonly database?: { readonly name: string; readonly change: string }
  /** A container that the requests go through. */
  readonly front?: CompanionKind
  /** A container that the service's statements go through; migrations and LISTEN go past it. */
  readonly pooler?: CompanionKind
  /** Before each measurement, such as emptying Redis. */
  readonly before?: (stack: BenchStack, origin: string) => Promise<void>
  /** What must hold before a number of this variant counts. */
  readonly proofs: readonly Proof[]
  /** Only with `--full`. */
  readonly fullOnly?: boolean
}
