import type { Query } from './connection.ts'
import { SCHEMA } from './migrate.ts'

const WRITE_INTERVAL_MS = 500

/**
 * The progress of an active job is stored in its `output` column, which is empty until the job ends: a job that reports none
 * costs no statement, and no second table is needed. The update touches no indexed column, and only a job that this attempt
 * still holds.
 */
const WRITE_PROGRESS = `
  UPDATE ${SCHEMA}.job SET output = jsonb_build_object('progress', $3::int)
  WHERE name = $1 AND id = $2::uuid AND state = 'active' AND retry_count = $4::int`

export interface ProgressReporter {
  report(percent: number): void
  stop(): void
}

/** Writes the progress of one attempt: the first report at once, then the latest every half second. */
export function createProgressReporter(
  query: Query,
  job: { readonly name: string; readonly id: string; readonly retryCount: number },
  onError: (error: unknown) => void,
): ProgressReporter {
  let latest = 0
  let written = 0
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  function write(): void {
    written = latest
    timer = setTimeout(onInterval, WRITE_INTERVAL_MS)
    timer.unref()
    query(WRITE_PROGRESS, [job.name, job.id, latest, job.retryCount]).catch(onError)
  }

  function onInterval(): void {
    timer = undefined
    if (!stopped && latest !== written) write()
  }

  return {
    report(percent) {
      if (stopped || !Number.isFinite(percent)) return
      latest = Math.trunc(Math.min(100, Math.max(0, percent)))
      if (timer === undefined && latest !== written) write()
    },
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
