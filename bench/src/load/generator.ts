/**
 * The load generator's own process: takes jobs over IPC, one at a time or side by side, and answers with their results.
 *
 * It ends with its parent, and ends the servers that the parent told it of: a benchmark that is killed leaves no process behind.
 */
import { spawnSync } from 'node:child_process'
import { type ClosedLoopOptions, type ClosedLoopResult, closedLoop } from './closed-loop.ts'
import { type OpenLoopOptions, type OpenLoopResult, openLoop } from './open-loop.ts'

export type Job =
  | { readonly kind: 'closed'; readonly options: ClosedLoopOptions }
  | { readonly kind: 'open'; readonly options: OpenLoopOptions }

export type JobResult<Kind extends Job['kind']> = (Kind extends 'closed'
  ? ClosedLoopResult
  : OpenLoopResult) & {
  /** Share of the time in which the generator's event loop was busy, 0–1. */
  readonly utilisation: number
}

export type ToGenerator =
  | { readonly id: number; readonly job: Job }
  | { readonly guarded: readonly number[]; readonly containers: readonly string[] }

export type FromGenerator =
  | { readonly id: number; readonly result: JobResult<'closed'> | JobResult<'open'> }
  | { readonly id: number; readonly error: string }

let guarded: readonly number[] = []
let containers: readonly string[] = []

async function perform(job: Job): Promise<JobResult<'closed'> | JobResult<'open'>> {
  const before = performance.eventLoopUtilization()
  const result = job.kind === 'closed' ? await closedLoop(job.options) : await openLoop(job.options)
  return { ...result, utilisation: performance.eventLoopUtilization(before).utilization }
}

function listen(): void {
  process.on('message', (message: ToGenerator) => {
    if ('guarded' in message) {
      ;({ guarded, containers } = message)
      return
    }
    const { id, job } = message
    const send = (answer: FromGenerator) => process.send?.(answer)
    perform(job).then(
      (result) => send({ id, result }),
      (error: unknown) => send({ id, error: String(error) }),
    )
  })
  process.on('disconnect', () => {
    for (const pid of guarded) endQuietly(pid)
    if (containers.length > 0) spawnSync('docker', ['rm', '--force', '--volumes', ...containers])
    process.exit(0)
  })
  // Ctrl-C reaches the whole group; the parent decides when this process ends.
  process.on('SIGINT', () => {})
}

function endQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It had ended by itself.
  }
}

if (process.send !== undefined) listen()
