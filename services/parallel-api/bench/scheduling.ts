import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import postgres from 'postgres'

export interface ThreadTimes {
  readonly cpuMs: number
  /** Time in which the thread was ready to run and other threads had the cores. */
  readonly waitMs: number
}

/** The times of the event loop's thread, as the kernel counts them; zeros on a system without these counters. */
export function mainThreadOf(pid: number): ThreadTimes {
  try {
    const [cpu = 0, wait = 0] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8')
      .split(' ')
      .map(Number)
    return { cpuMs: cpu / 1e6, waitMs: wait / 1e6 }
  } catch {
    return { cpuMs: 0, waitMs: 0 }
  }
}

/** The number of threads by nice value, such as `0: 11, 10: 1`. */
export function niceOf(pid: number): string {
  const counts = new Map<number, number>()
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const nice = Number(statOf(`${pid}/task/${thread}`)[16])
      counts.set(nice, (counts.get(nice) ?? 0) + 1)
    }
  } catch {
    return 'unknown'
  }
  return [...counts].map(([nice, threads]) => `${nice}: ${threads}`).join(', ')
}

/**
 * Runs this process in real time, as if the callers were on another machine: their own wait for a core must not count as the
 * service's. Needs root.
 *
 * @returns whether it was permitted; otherwise the wait shows in the generator's lateness
 */
export function preferThisProcess(): boolean {
  try {
    execFileSync('chrt', ['--fifo', '--reset-on-fork', '--all-tasks', '--pid', '1', String(process.pid)], {
      stdio: 'ignore',
    })
    return true
  } catch {
    return false
  }
}

/**
 * Lets Postgres run only while the service does not need the cores: the server of this database, and its future sessions. A
 * nice value would not be enough, because a process keeps its core for a slice of some ms at any nice value; SCHED_IDLE yields
 * at once. Needs Linux and root.
 */
export async function yieldPostgres(databaseUrl: string): Promise<void> {
  const sql = postgres(databaseUrl, { max: 1 })
  const [session] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`
  const [, server = ''] = statOf(String(session?.pid))
  await sql.end()
  execFileSync('chrt', ['--idle', '--all-tasks', '--pid', '0', server])
}

/** The fields of `/proc/…/stat` after the name: state, parent, … */
function statOf(process: string): string[] {
  const stat = readFileSync(`/proc/${process}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}
