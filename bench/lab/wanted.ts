import { ConfigError, readSettings, type settings } from '@reference/config'
import { BenchError } from '../src/errors.ts'
import { tuningSwitches } from '../src/run/switches.ts'
import type { About, FaultName, LoadSettings } from './protocol.ts'
import { initialLoad, workloads } from './workloads.ts'

/** What the page has asked for. The lab follows between two slices of load. */
export class Wanted {
  readonly #onChange: (wanted: Wanted) => void
  #load = initialLoad()
  #settings: Readonly<Record<string, string>> = {}
  #fault: FaultName | null = null
  #impossible: About['impossible'] = {}
  #revision = 0
  #waiting: (() => void) | undefined

  /** @param onChange called after each change, before the lab has followed it */
  constructor(onChange: (wanted: Wanted) => void) {
    this.#onChange = onChange
  }

  get load(): LoadSettings {
    return this.#load
  }

  get settings(): Readonly<Record<string, string>> {
    return this.#settings
  }

  get fault(): FaultName | null {
    return this.#fault
  }

  /** Raised with each change. */
  get revision(): number {
    return this.#revision
  }

  setImpossible(impossible: About['impossible']): void {
    this.#impossible = impossible
  }

  /** @throws BenchError NO_WORKLOAD */
  setLoad(load: LoadSettings): void {
    if (!workloads.some(({ name }) => name === load.workload))
      throw new BenchError('NO_WORKLOAD', `There is no workload ${load.workload}`)
    if (load.workload !== this.#load.workload) this.#fault = null
    this.#load = load
    this.#changed()
  }

  /** @throws BenchError BAD_SETTING for a name that is no tuning switch, and for a value that a service would refuse */
  setSettings(given: Readonly<Record<string, string>>): void {
    const switches = new Map(tuningSwitches().map((each) => [each.name, each]))
    const unknown = Object.keys(given).find((name) => !switches.has(name))
    if (unknown !== undefined) throw new BenchError('BAD_SETTING', `${unknown} is no tuning switch`)
    try {
      readSettings(Object.keys(given) as (keyof typeof settings)[], given)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      const faults = error.faults.map((fault) => `${fault.name} ${fault.message}`)
      throw new BenchError('BAD_SETTING', faults.join('\n'), { cause: error })
    }
    // A service cannot start while Postgres does not answer.
    this.#fault = null
    this.#settings = Object.fromEntries(
      Object.entries(given).filter(([name, value]) => value !== '' && value !== switches.get(name)?.tuned),
    )
    this.#changed()
  }

  /** @throws BenchError IMPOSSIBLE for a fault that this machine cannot cause */
  setFault(name: FaultName | 'none'): void {
    const reason = name === 'none' ? undefined : this.#impossible[name]
    if (reason !== undefined) throw new BenchError('IMPOSSIBLE', reason)
    this.#fault = name === 'none' ? null : name
    this.#changed()
  }

  /** Resolves with the next change. */
  async changed(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting = resolve
    signal.addEventListener('abort', () => resolve(), { once: true })
    await promise
  }

  #changed(): void {
    this.#revision++
    this.#onChange(this)
    this.#waiting?.()
  }
}
