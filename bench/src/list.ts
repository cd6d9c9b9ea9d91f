import { companionsOf } from './companion.ts'
import { withoutContainers } from './docker.ts'
import type { Scenario } from './scenario.ts'
import { tuningSwitches } from './switches.ts'

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
  return `Scenarios (* part of the default run), each as shipped and\n\n${rows.join('\n')}\nSwitches, for --off\n\n${switches.join('')}`
}
