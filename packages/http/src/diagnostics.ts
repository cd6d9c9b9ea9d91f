import { accessSync, constants, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setHeapSnapshotNearHeapLimit } from 'node:v8'
import type { FastifyBaseLogger } from 'fastify'

export interface Diagnostics {
  /** Writes a diagnostic report about an error that ends the process. */
  reportError(error: Error): void
}

const NONE: Diagnostics = { reportError() {} }

/**
 * Makes a process leave files behind when it dies: Node's diagnostic report on an uncaught error and on a fatal error of V8 (out of
 * memory), and one heap snapshot when the heap comes near its limit.
 *
 * The snapshot contains the memory of the process, with its secrets and the rows of its cache; the report contains no environment
 * variable. Writing the snapshot stops the process for seconds and needs about as much memory as the heap.
 *
 * @param folder undefined: nothing is written. A folder that cannot be written is logged, and does not stop the start.
 */
export function startDiagnostics(folder: string | undefined, log: FastifyBaseLogger): Diagnostics {
  if (folder === undefined) return NONE
  const { report } = process
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
    // V8 writes a snapshot to the working directory.
    process.chdir(folder)
  } catch (error) {
    log.error({ err: error }, 'DIAGNOSTICS_DIR cannot be written: no report and no heap snapshot')
    return NONE
  }
  report.directory = folder
  report.reportOnFatalError = true
  report.compact = true
  // Otherwise it looks up the name of each peer. Its types do not know the option.
  Reflect.set(report, 'excludeNetwork', true)
  report.excludeEnv = true
  setHeapSnapshotNearHeapLimit(1)
  return {
    reportError(error) {
      // Not `writeReport`, which writes lines of its own to standard error.
      const file = join(folder, `report.${Date.now()}.${process.pid}.json`)
      writeFileSync(file, JSON.stringify(report.getReport(error)))
      log.fatal({ file }, 'diagnostic report written')
    },
  }
}
