import type { Connection } from './connection.ts'
import { SCHEMA } from './migrate.ts'

// One write a half second and job at most, whatever the handler says how often.
const WRITE_INTERVAL_MS = 500

/**
 * Progress lies in the `output` column of the active job, which stays empty until the job is settled: a job that says
 * nothing costs no statement, and there is no second table to keep. The update touches no indexed column and only a
 * job that this attempt still holds.
 */
const WRITE_PROGRESS = `
  UPDATE ${SCHEMA}.job SET output = jsonb_build_object('progress', $3::int)
  WHERE name = $1 AND id = $2::uuid AND state = 'active' AND retry_count = $4::int`

export type ProgressReporter = {
  report(percent: number): void
  stop(): void
}

export function createProgressReporter(
  connection: Connection,
  job: { name: string; id: string; retryCount: number },
  onError: (error: unknown) => void,
): ProgressReporter {
  let latest = 0
  let written = 0
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  function write(): void {
    written = latest
    timer = setTimeout(afterInterval, WRITE_INTERVAL_MS)
    timer.unref()
    connection.query(WRITE_PROGRESS, [job.name, job.id, latest, job.retryCount]).catch(onError)
  }

  function afterInterval(): void {
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
