import { bootsMs, durationsFor } from '../run/plan.ts'
import type { Scenario } from '../run/scenario.ts'
import { sidecarsOf } from '../run/sidecars.ts'
import { tuningSwitches } from '../run/switches.ts'
import { MINIMUM_BOOTS } from '../stats/verdict.ts'
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

/** The time of the fewest boots that allow a verdict. */
function planText(command: string, scenarios: readonly Scenario[], full: boolean): string {
  const selected = selectScenarios(scenarios, { names: [], off: [], full })
  const comparisons = selected.reduce((sum, { variants }) => sum + variants.length, 0)
  const minutes = (MINIMUM_BOOTS * bootsMs(selected, durationsFor({ full }))) / 60_000
  return `${command.padEnd(18)} ${comparisons + selected.length} variants, ${comparisons} comparisons; ${MINIMUM_BOOTS} boots of each take about ${minutes.toFixed(0)} minutes\n`
}
