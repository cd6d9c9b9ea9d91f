import { fallbackOf, type Setting, servicesOf, settings } from '@reference/config'
import { SERVICES, type ServiceName } from '@reference/shop/services'

/** A setting that is a tuning: the scenario that shows it, and its value in an untuned app. */
export interface Switch {
  readonly name: string
  /** The scenario that shows its effect. */
  readonly scenario: string
  readonly services: readonly ServiceName[]
  /** Default and untuned value, as environment variables. */
  readonly tuned: string
  readonly naive: string
}

/** Every tuning switch of the services' settings table. */
export function tuningSwitches(): Switch[] {
  return Object.entries<Setting>(settings).flatMap(([name, setting]): Switch[] => {
    if (setting.tuning === undefined) return []
    const readers = servicesOf(name, Object.values(SERVICES))
    const [service = SERVICES['reference-api']] = readers
    const { scenario, naive } = setting.tuning
    const services = readers.map((each) => each.name)
    return [{ name, services, tuned: asText(fallbackOf(setting, service)), scenario, naive }]
  })
}

/** The environment of a service with every switch at its untuned value. */
export function naiveEnvironment(service: ServiceName): Record<string, string> {
  const switches = tuningSwitches().filter(({ services }) => services.includes(service))
  return Object.fromEntries(switches.map(({ name, naive }) => [name, naive]))
}

function asText(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off'
  return String(value ?? '')
}
