import { type Durations, longDurations, roundMs, shortDurations } from '../run/plan.ts'
import type { Scenario } from '../run/scenario.ts'
import { tuningSwitches } from '../run/switches.ts'
import { withoutContainers } from '../stack/docker.ts'
import { companionsOf } from '../stack/sidecar.ts'
import { leastPairs } from '../stats/verdict.ts'
import { selectScenarios } from './select.ts'

/** What there is to measure, as text. */
export function renderList(
  scenarios: readonly Scenario[],
  missing: string | undefined = withoutContainers(),
): string {
  const rows = scenarios.map((scenario) => {
    const { name, title, about, inDefaultRun, variants } = scenario
    const notRun = companionsOf(scenario).length > 0 && missing !== undefined
    const all = variants.map(
      (variant) => `    ${variant.name}${variant.fullOnly ? ' (with --full or by name)' : ''}\n`,
    )
    return `${name}${inDefaultRun ? ' *' : ''}  ${title}${notRun ? ` (not run: ${missing})` : ''}\n  ${about}\n${all.join('')}`
  })
  const switches = tuningSwitches().map(
    ({ name, tuned, naive, scenario }) => `  ${name.padEnd(24)}${tuned} (untuned: ${naive})  ${scenario}\n`,
  )
  const runs = [
    planText('pnpm bench', scenarios, { full: false, durations: shortDurations }),
    planText('pnpm bench --full', scenarios, { full: true, durations: longDurations }),
  ]
  return `Scenarios (* part of the default run), each as shipped and\n\n${rows.join('\n')}\nSwitches, for --off\n\n${switches.join('')}\n${runs.join('')}`
}

/** How long the fewest rounds that allow a verdict take; a busy machine takes longer. */
function planText(
  command: string,
  scenarios: readonly Scenario[],
  { full, durations }: { full: boolean; durations: Durations },
): string {
  const chosen = selectScenarios(scenarios, { names: [], off: [], full })
  const boots = chosen.reduce((sum, { variants }) => sum + variants.length + 1, 0)
  const comparisons = chosen.reduce((sum, { variants }) => sum + variants.length, 0)
  const minutes = (leastPairs * roundMs(chosen, durations)) / 60_000
  return `${command.padEnd(18)} ${boots} boots a round, ${comparisons} comparisons; ${leastPairs} rounds take about ${minutes.toFixed(0)} minutes\n`
}
