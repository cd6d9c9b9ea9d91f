import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'

/** Which processor cores run which processes. */
export interface Placement {
  readonly pinned: boolean
  /** Cores of a server that works on its main thread. */
  readonly server: readonly number[]
  /**
   * Cores of a server that works in threads: all but the last. On two cores that leaves one, because threads on the
   * generator's core delay the generator, which appears as latency of the server (seen: 55 ms at p99).
   */
  readonly threads: readonly number[]
  /** Cores of all other processes: generator, databases, this process. */
  readonly rest: readonly number[]
  readonly note: string
}

/**
 * Reserves the first core for the server; generator and databases share the others. On two cores the benchmark therefore
 * measures what one undisturbed core of Node can do.
 *
 * @param cores the cores that this process may use; undefined where processes cannot be pinned
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

/** Moves this process and all processes that it starts from now on to `cores`. */
export function pinSelf(cores: readonly number[]): void {
  spawnSync('taskset', ['-acp', cores.join(','), String(process.pid)])
}

/**
 * Gives the generator priority over the databases on the same cores: a query that computes for 10 ms would otherwise delay
 * the requests that are due meanwhile (seen with /report: 8 ms late at p99).
 *
 * Where Linux groups processes by session, `nice` applies within a session and `/proc/<pid>/autogroup` between sessions.
 * Both are set, since each of these processes leads a session of its own.
 *
 * @returns the measure taken, in words
 */
export function preferGenerator(generator: number, databases: readonly number[]): string {
  // Only root may raise a priority; every user may lower the priority of its own processes.
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
