import type { Scenario, Variant } from './scenario.ts'

/** What this machine can run. */
interface Possible {
  readonly scenarios: readonly Scenario[]
  /** Scenarios of which nothing can run, by name, with the reason. */
  readonly skipped: ReadonlyMap<string, string>
  /** Variants that were left out of scenarios that remain, a line for each scenario. */
  readonly notes: readonly string[]
}

const REASON = 'needs Redis: skipped'

/** With Redis. */
export function everything(scenarios: readonly Scenario[]): Possible {
  return { scenarios, skipped: new Map(), notes: [] }
}

/** Leaves out what needs Redis: a variant whose proof would fail, because it reads tier 2. */
export function withoutRedis(scenarios: readonly Scenario[]): Possible {
  const skipped = new Map<string, string>()
  const notes: string[] = []
  const remaining = scenarios.flatMap((scenario) => {
    const variants = scenario.variants.filter((variant) => !needsRedis(variant))
    if (needsRedis(scenario.tuned) || variants.length === 0) {
      skipped.set(scenario.name, REASON)
      return []
    }
    const left = scenario.variants.filter(needsRedis).map(({ name }) => name)
    if (left.length > 0) notes.push(`${scenario.name} (${left.join(', ')}): ${REASON}`)
    return { ...scenario, variants }
  })
  return { scenarios: remaining, skipped, notes }
}

function needsRedis({ needsRedis = false, ownRedis = false }: Variant): boolean {
  return needsRedis || ownRedis
}
