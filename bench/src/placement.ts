import { spawnSync } from 'node:child_process'

/** Which processor cores run what. */
export interface Placement {
  readonly pinned: boolean
  /** Cores of a server that does its work on the main thread. */
  readonly server: readonly number[]
  /** Cores of everything else: generator, databases, this process. */
  readonly rest: readonly number[]
  readonly note: string
}

/**
 * The server gets the first core for itself; generator and databases share the others. On two cores the databases
 * are thereby beside the generator: what is measured is what one core of Node can do, undisturbed.
 *
 * @param cores the cores that this process may use, undefined where the system cannot pin
 */
export function planPlacement(cores: readonly number[] | undefined): Placement {
  if (cores === undefined)
    return { pinned: false, server: [], rest: [], note: 'not pinned: no taskset on this system' }
  const [first, ...rest] = cores
  if (first === undefined || rest.length === 0) {
    return { pinned: false, server: [], rest: [], note: 'not pinned: one core for everything' }
  }
  const note = `server on core ${first}; generator and databases on ${rest.join(', ')}`
  return { pinned: true, server: [first], rest, note }
}

/** The cores that this process may run on; undefined where `taskset` is missing. */
export function allowedCores(): number[] | undefined {
  if (process.platform !== 'linux') return undefined
  const { status, stdout } = spawnSync('taskset', ['-cp', String(process.pid)], { encoding: 'utf8' })
  return status === 0 ? parseCoreList(stdout.slice(stdout.lastIndexOf(':') + 1)) : undefined
}

/** `0-2,5` → 0, 1, 2, 5. */
export function parseCoreList(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [from, to = from] = part.trim().split('-').map(Number)
    if (from === undefined || to === undefined) return []
    return Array.from({ length: to - from + 1 }, (_, i) => from + i)
  })
}

/** Moves this process, and whatever it starts from now on, to `cores`. */
export function pinSelf(cores: readonly number[]): void {
  spawnSync('taskset', ['-acp', cores.join(','), String(process.pid)])
}

/** The command line that starts `command` on `cores`. */
export function pinned(cores: readonly number[], command: readonly string[]): readonly string[] {
  return cores.length === 0 ? command : ['taskset', '-c', cores.join(','), ...command]
}
