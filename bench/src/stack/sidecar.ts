import type { Scenario } from '../run/scenario.ts'
import { withoutContainers } from './docker.ts'
import type { BenchStack } from './stack.ts'

/** A container on the way of the requests: before the service, or between the service and Postgres. */
export interface Companion {
  /** Where requests (or statements) go now. */
  readonly url: string
  readonly container: string
  readonly pid: number
  /** What it counted so far, by name. */
  counters(): Promise<Readonly<Record<string, number>>>
  stop(): Promise<void>
}

export interface CompanionOptions {
  /** What stands behind it: the service, or the database. */
  readonly behind: string
  readonly stack: BenchStack
  readonly cores: readonly number[]
  /** For files made for it, thrown away with the run. */
  readonly folder: string
  readonly signal: AbortSignal
}

/** A kind of companion. */
export interface CompanionKind {
  readonly name: string
  /**
   * Makes its image available, once a run.
   *
   * @returns why it cannot run here, or undefined
   */
  prepare(signal: AbortSignal): Promise<string | undefined>
  start(options: CompanionOptions): Promise<Companion>
}

/** The differences of two readings, per request. */
export function countedBetween(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
  requests: number,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(after).map(([name, now]) => [name, (now - (before[name] ?? 0)) / requests]),
  )
}

/** The kinds of container that a scenario needs. */
export function companionsOf({ tuned, variants }: Scenario): CompanionKind[] {
  const kinds = [tuned, ...variants].flatMap(({ front, pooler }) => [front, pooler])
  return [...new Set(kinds.filter((kind) => kind !== undefined))]
}

/** Why a scenario cannot run on this machine, by its name; nothing is an error, and images are made available. */
export async function prepareCompanions(
  scenarios: readonly Scenario[],
  say: (step: string) => void,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const needing = scenarios.filter((scenario) => companionsOf(scenario).length > 0)
  const missing = needing.length > 0 ? withoutContainers() : undefined
  const reasons = new Map<CompanionKind, string | undefined>()
  for (const kind of new Set(needing.flatMap(companionsOf))) {
    if (missing === undefined) say(`image of ${kind.name}`)
    reasons.set(kind, missing ?? (await kind.prepare(signal)))
  }
  return new Map(
    needing.flatMap((scenario) => {
      const reason = companionsOf(scenario)
        .map((kind) => reasons.get(kind))
        .find((text) => text !== undefined)
      return reason === undefined ? [] : [[scenario.name, reason] as const]
    }),
  )
}
