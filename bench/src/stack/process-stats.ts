import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

const TICK_MS = 10
const IS_LINUX = process.platform === 'linux'

/**
 * CPU time of a process and its running threads in ms, from the scheduler, which counts nanoseconds; undefined off Linux and when
 * the process has exited.
 *
 * `stat` counts in ticks of 10 ms, which is a tenth of what 1,000 requests cost.
 */
export function exactCpuMsOf(pid: number): number | undefined {
  if (!IS_LINUX) return undefined
  const folder = `/proc/${pid}/task`
  const threads = unlessEnded(() => readdirSync(folder)) ?? []
  // A thread may end after it was listed.
  const times = threads.flatMap(
    (thread) => unlessEnded(() => readFileSync(`${folder}/${thread}/schedstat`, 'utf8')) ?? [],
  )
  if (times.length === 0) return undefined
  return times.reduce((sum, stat) => sum + Number(stat.split(' ', 1)[0]) / 1e6, 0)
}

/** Resident memory in bytes; undefined when the process has exited. */
export function residentBytesOf(pid: number): number | undefined {
  try {
    if (IS_LINUX) {
      const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
      return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
    }
    return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1024
  } catch {
    return undefined
  }
}

/** Names of the threads of a process and the CPU time of each, in ms; undefined off Linux. */
export function threadsOf(pid: number): { name: string; cpuMs: number }[] | undefined {
  if (!IS_LINUX) return undefined
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
      const stat = parseStat(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'))
      return stat === undefined ? [] : [stat]
    })
  } catch {
    return undefined
  }
}

/** CPU time of the whole machine since it started, in ms; undefined off Linux. */
export function machineCpu(): { busyMs: number; stealMs: number } | undefined {
  if (!IS_LINUX) return undefined
  const [total = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1)
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = total
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return { busyMs: (user + nice + system + irq + softirq) * TICK_MS, stealMs: steal * TICK_MS }
}

/** CPU time of a process and all its descendants, including exited children, in ms. */
export function treeCpuMs(root: number): number {
  const children = new Map<number, number[]>()
  const used = new Map<number, number>()
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry)
    const stat = Number.isInteger(pid) ? statOf(pid) : undefined
    if (stat === undefined) continue
    used.set(pid, stat.cpuMs + stat.childrenMs)
    children.set(stat.parent, [...(children.get(stat.parent) ?? []), pid])
  }
  const sum = (pid: number): number =>
    (used.get(pid) ?? 0) + (children.get(pid) ?? []).reduce((total, child) => total + sum(child), 0)
  return sum(root)
}

/** The processes that this one has started and that still run. */
export function childrenOf(pid: number): number[] {
  if (IS_LINUX)
    return readdirSync('/proc')
      .map(Number)
      .filter((each) => statOf(each)?.parent === pid)
  const { stdout } = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
  return stdout.split('\n').filter(Boolean).map(Number)
}

/** Number of connections that this machine has opened since its start; undefined off Linux. */
export function connectionsOpened(): number | undefined {
  if (!IS_LINUX) return undefined
  const [names, values] = readFileSync('/proc/net/snmp', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Tcp:'))
    .map((line) => line.split(' '))
  const opened = values?.[names?.indexOf('ActiveOpens') ?? -1]
  return opened === undefined ? undefined : Number(opened)
}

/** What `read` returns; undefined when the process or thread that it reads has ended. */
function unlessEnded<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}

function statOf(pid: number) {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return undefined
  }
}

/** proc(5): the name is in parentheses and may contain spaces; fields are counted from the closing one. */
function parseStat(text: string) {
  const close = text.lastIndexOf(')')
  const fields = text
    .slice(close + 2)
    .split(' ')
    .map(Number)
  const parent = fields[1]
  const [user, system, childUser = 0, childSystem = 0] = fields.slice(11)
  if (parent === undefined || user === undefined || system === undefined) return undefined
  return {
    name: text.slice(text.indexOf('(') + 1, close),
    parent,
    cpuMs: (user + system) * TICK_MS,
    childrenMs: (childUser + childSystem) * TICK_MS,
  }
}
