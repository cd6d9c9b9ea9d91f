import { fallbackOf, type ServiceName, type Setting, serviceNames, settings } from '@reference/config'
import type { Proof } from '../proofs/proof.ts'
import * as proofs from '../proofs/proofs.ts'

/** A row of the settings table that is a tuning: where it shows, and what an untuned app has. */
export interface Switch {
  readonly name: string
  readonly description: string
  /** Heading of the guide. */
  readonly section: string
  /** The scenario that shows it. */
  readonly scenario: string
  readonly services: readonly ServiceName[]
  /** Default and untuned value, as the environment takes them. */
  readonly tuned: string
  readonly naive: string
}

/** Every tuning switch, read from the services' own settings table. */
export function tuningSwitches(): Switch[] {
  return Object.entries<Setting>(settings).flatMap(([name, setting]) => {
    if (setting.tuning === undefined) return []
    const { services = serviceNames, tuning, description } = setting
    const [service = 'reference-api'] = services
    const tuned = asText(fallbackOf(setting, service))
    return [
      {
        name,
        description,
        services,
        tuned,
        section: tuning.section,
        scenario: tuning.scenario,
        naive: tuning.naive,
      },
    ]
  })
}

/** The environment of a service with every switch at its untuned value. */
export function naiveEnvironment(service: ServiceName): Record<string, string> {
  const rows = tuningSwitches().filter(({ services }) => services.includes(service))
  return Object.fromEntries(rows.map(({ name, naive }) => [name, naive]))
}

function asText(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off'
  return String(value ?? '')
}

/** How it is proven that a switch has a value, whatever the scenario. */
export function proofOf(name: string, value: string): Proof {
  const on = value === 'on'
  switch (name) {
    case 'REQUEST_LOG':
      return proofs.logsRequests(on)
    case 'METRICS':
      return proofs.exposesMetrics(on)
    case 'DB_PREPARE':
      return proofs.preparesStatements(on)
    case 'REDIS_AUTO_PIPELINING':
      return proofs.pipelinesCommands(on)
    case 'HTTP_KEEP_ALIVE':
      return proofs.opensConnections(!on)
    case 'PARALLEL_FETCH':
      return proofs.queriesAtOnce(on ? 3 : 1)
    case 'WORKER_THREADS':
      return proofs.computesOnThreads(value !== '0')
    case 'BACKGROUND_JOBS':
      return proofs.worksInBackground(on)
    case 'CACHE_OUTBOX':
      return proofs.writesOutbox(on)
    case 'COMPRESSION':
      return proofs.encodedAs(on ? 'gzip' : 'identity')
    default:
      // What shows it depends on what is sent; the scenario brings its own proof beside this one.
      return proofs.startedWith(name, value)
  }
}
