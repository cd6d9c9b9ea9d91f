import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'

/** Which processor cores run what. */
export interface Placement {
  readonly pinned: boolean
  /** Cores of a server that does its work on the main thread. */
  readonly server: readonly number[]
  /**
   * Cores of a server that computes in threads: all but the last. On two cores that is its own one, since threads beside
   * the generator delay it, which then shows as the server's latency (seen: 55 ms at p99).
   */
  readonly threads: readonly number[]
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
    return { pinned: false, server: [], threads: [], rest: [], note: 'not pinned: no taskset on this system' }
  const [first, ...rest] = cores
  if (first === undefined || rest.length === 0) {
    return { pinned: false, server: [], threads: [], rest: [], note: 'not pinned: one core for everything' }
  }
  const note = `server on core ${first}; generator and databases on ${rest.join(', ')}`
  return { pinned: true, server: [first], threads: [first, ...rest.slice(0, -1)], rest, note }
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

/**
 * Lets the generator run before the databases that share its cores: a query that computes for 10 ms would otherwise
 * delay what is due meanwhile (seen beside /report: 8 ms late at p99).
 *
 * Where Linux groups processes by session, `nice` counts within the session only, and between them what
 * `/proc/<pid>/autogroup` says; both are set. Each of these processes leads a session of its own.
 *
 * @returns how it was done, in words
 */
export function preferGenerator(generator: number, databases: readonly number[]): string {
  // Only root may raise; everybody may lower what is theirs.
  if (reprioritise(generator, -15)) return 'generator preferred'
  return databases.every((pid) => reprioritise(pid, 10))
    ? 'databases below the generator'
    : 'generator not preferred'
}

function reprioritise(pid: number, nice: number): boolean {
  try {
    setPriority(pid, nice)
    if (existsSync(`/proc/${pid}/autogroup`)) writeFileSync(`/proc/${pid}/autogroup`, String(nice))
    return true
  } catch {
    return false
  }
}

/** The command line that starts `command` on `cores`. */
export function pinned(cores: readonly number[], command: readonly string[]): readonly string[] {
  return cores.length === 0 ? command : ['taskset', '-c', cores.join(','), ...command]
}
