import { durationsFor, roundMs } from '../run/plan.ts'
import type { Scenario } from '../run/scenario.ts'
import { sidecarsOf } from '../run/sidecars.ts'
import { tuningSwitches } from '../run/switches.ts'
import { MINIMUM_PAIRS } from '../stats/verdict.ts'
import { selectScenarios } from './select-scenarios.ts'

/**
 * All scenarios, variants and switches as text.
 *
 * @param noContainers why containers cannot run on this machine; undefined where they can
 */
export function renderList(scenarios: readonly Scenario[], noContainers: string | undefined): string {
  const rows = scenarios.map((scenario) => {
    const { name, title, about, inDefaultRun, variants } = scenario
    const notRun = noContainers !== undefined && sidecarsOf(scenario).length > 0
    const head = `${name}${inDefaultRun ? ' *' : ''}  ${title}${notRun ? ` (not run: ${noContainers})` : ''}`
    const lines = variants.map(
      ({ name, fullOnly }) => `    ${name}${fullOnly ? ' (with --full or by name)' : ''}`,
    )
    return `${[head, `  ${about}`, ...lines].join('\n')}\n`
  })
  const switches = tuningSwitches().map(
    ({ name, tuned, naive, scenario }) => `  ${name.padEnd(24)}${tuned} (untuned: ${naive})  ${scenario}\n`,
  )
  const runs = [planText('pnpm bench', scenarios, false), planText('pnpm bench --full', scenarios, true)]
  return `Scenarios (* part of the default run), each as shipped and\n\n${rows.join('\n')}\nSwitches, for --off\n\n${switches.join('')}\n${runs.join('')}`
}

/** The time of the fewest rounds that allow a verdict; a busy machine needs more. */
function planText(command: string, scenarios: readonly Scenario[], full: boolean): string {
  const selected = selectScenarios(scenarios, { names: [], off: [], full })
  const comparisons = selected.reduce((sum, { variants }) => sum + variants.length, 0)
  const minutes = (MINIMUM_PAIRS * roundMs(selected, durationsFor({ full }))) / 60_000
  return `${command.padEnd(18)} ${comparisons + selected.length} boots a round, ${comparisons} comparisons; ${MINIMUM_PAIRS} rounds take about ${minutes.toFixed(0)} minutes\n`
}
