import { UsageError } from '@reference/cli'
import { withSettings } from '../../scenarios/variants.ts'
import type { Scenario } from '../run/scenario.ts'
import { type Switch, tuningSwitches } from '../run/switches.ts'

/** The scenarios that the command line selects. */
export function selectScenarios(
  scenarios: readonly Scenario[],
  wanted: { readonly names: readonly string[]; readonly off: readonly string[]; readonly full: boolean },
): readonly Scenario[] {
  const { names, off, full } = wanted
  if (off.length > 0) {
    const switches = off.map(findSwitch)
    return [...new Set(switches.map(({ scenario }) => scenario))].map((name) =>
      withSwitchesOff(
        findScenario(scenarios, name),
        switches.filter(({ scenario }) => scenario === name),
      ),
    )
  }
  if (names.length > 0) return [...new Set(names)].map((name) => findScenario(scenarios, name))
  if (full) return scenarios
  return scenarios
    .filter(({ inDefaultRun }) => inDefaultRun)
    .map((scenario) => ({ ...scenario, variants: scenario.variants.filter(({ fullOnly }) => !fullOnly) }))
}

function findScenario(scenarios: readonly Scenario[], name: string): Scenario {
  const found = scenarios.find((scenario) => scenario.name === name)
  if (found === undefined) {
    throw new UsageError(
      `no scenario ${name}; there are ${scenarios.map((scenario) => scenario.name).join(', ')}`,
    )
  }
  return found
}

function findSwitch(name: string): Switch {
  const switches = tuningSwitches()
  const found = switches.find((row) => row.name === name)
  if (found === undefined) {
    throw new UsageError(`no switch ${name}; there are ${switches.map((row) => row.name).join(', ')}`)
  }
  return found
}

/** The scenario with one variant a switch, in which only this switch has its untuned value. */
function withSwitchesOff(scenario: Scenario, switches: readonly Switch[]): Scenario {
  const { environment } = scenario.tuned
  const variants = switches.map(({ name, naive }) => {
    const existing = scenario.variants.find(
      (variant) => onlyDifference(variant.environment, environment, name) === naive,
    )
    return existing ?? withSettings({ ...environment, [name]: naive }, name)
  })
  return { ...scenario, variants }
}

/** The value of `name` when it is the only difference of two environments. */
function onlyDifference(
  changed: Readonly<Record<string, string>>,
  base: Readonly<Record<string, string>>,
  name: string,
): string | undefined {
  const differ = Object.keys({ ...changed, ...base }).filter((key) => changed[key] !== base[key])
  return differ.length === 1 && differ[0] === name ? changed[name] : undefined
}
