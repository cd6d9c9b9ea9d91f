import type { Scenario } from './scenario.ts'
import { tuningSwitches } from './switches.ts'

/** What there is to measure, as text. */
export function renderList(scenarios: readonly Scenario[]): string {
  const rows = scenarios.map(({ name, title, about, inDefaultRun, variants }) => {
    const all = variants.map(
      (variant) => `    ${variant.name}${variant.fullOnly ? ' (with --full or by name)' : ''}\n`,
    )
    return `${name}${inDefaultRun ? ' *' : ''}  ${title}\n  ${about}\n${all.join('')}`
  })
  const switches = tuningSwitches().map(
    ({ name, tuned, naive, scenario }) => `  ${name.padEnd(24)}${tuned} (untuned: ${naive})  ${scenario}\n`,
  )
  return `Scenarios (* part of the default run), each as shipped and\n\n${rows.join('\n')}\nSwitches, for --off\n\n${switches.join('')}`
}
