import { readdirSync, readFileSync } from 'node:fs'

/**
 * Descriptors for short use while requests are served: connections of the internal listener, files of /docs, name
 * resolution, worker threads.
 */
const RESERVED = 96

/** Connections of clients get at least this share of the limit of open files. */
const MIN_SHARE = 1 / 4

/**
 * How many connections a server may accept before the process runs out of file descriptors: the limit of open files
 * minus the open files, the connections that the service opens itself, and a reserve.
 *
 * @param outgoing the largest number of connections that the service opens: database, Redis, upstream
 * @returns undefined where the system has no limit of open files
 */
export function connectionLimit(outgoing: number): number | undefined {
  const files = openFilesLimit()
  if (files === undefined) return undefined
  return Math.floor(Math.max(files - openFiles() - outgoing - RESERVED, files * MIN_SHARE))
}

/** `ulimit -n`. Node raises the soft limit to the hard one when it starts. */
export function openFilesLimit(): number | undefined {
  const soft = process.platform === 'linux' ? softLimitOfLinux() : softLimitOfReport()
  return typeof soft === 'number' ? soft : undefined
}

/** From the kernel: 0.2 ms at the start, where a report takes 30. */
function softLimitOfLinux(): number | undefined {
  const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
  return soft === undefined ? undefined : Number(soft)
}

function softLimitOfReport(): unknown {
  // Otherwise the report resolves the host name of each peer.
  const report = process.report as typeof process.report & { excludeNetwork: boolean }
  const before = report.excludeNetwork
  report.excludeNetwork = true
  const { userLimits } = report.getReport() as { userLimits?: { open_files?: { soft: unknown } } }
  report.excludeNetwork = before
  return userLimits?.open_files?.soft
}

function openFiles(): number {
  try {
    return readdirSync('/dev/fd').length
  } catch {
    return RESERVED
  }
}
