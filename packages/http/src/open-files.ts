import { readdirSync } from 'node:fs'

/**
 * Descriptors for what opens and closes while requests are served: the internal listener's connections, files of /docs,
 * name resolution, worker threads.
 */
const SPARE = 96

/** Of the limit of open files, the least share that goes to connections of callers. */
const LEAST_SHARE = 1 / 4

/**
 * How many connections a server may accept so that the process does not run out of file descriptors: the limit of open
 * files less the open ones, the ones that the service opens itself, and some to spare.
 *
 * @param outgoing connections that the service opens at most: database, Redis, upstream
 * @returns undefined where the system has no such limit
 */
export function connectionLimit(outgoing: number): number | undefined {
  const files = openFilesLimit()
  if (files === undefined) return undefined
  return Math.floor(Math.max(files - openFiles() - outgoing - SPARE, files * LEAST_SHARE))
}

/** `ulimit -n`. Node raises the soft limit to the hard one when it starts. */
export function openFilesLimit(): number | undefined {
  // Without it the report looks up the name of each peer.
  const report = process.report as typeof process.report & { excludeNetwork: boolean }
  const before = report.excludeNetwork
  report.excludeNetwork = true
  const { userLimits } = report.getReport() as {
    userLimits?: { open_files?: { soft: number | 'unlimited' } }
  }
  report.excludeNetwork = before
  const soft = userLimits?.open_files?.soft
  return typeof soft === 'number' ? soft : undefined
}

function openFiles(): number {
  try {
    return readdirSync('/dev/fd').length
  } catch {
    return SPARE
  }
}
