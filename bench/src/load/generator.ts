/**
 * The load generator's own process: receives jobs over IPC, runs them concurrently, and replies with their results.
 *
 * It exits with its parent and first ends the registered servers, so that a killed benchmark leaves no process behind.
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
  /** Share of the time for which the generator's event loop was busy, 0–1. */
  readonly utilisation: number
}

export type ToGenerator = { readonly id: number; readonly job: Job } | { readonly reapOnExit: Reaped }

/** Processes and containers to end when the benchmark is killed. */
export interface Reaped {
  readonly pids: readonly number[]
  readonly containers: readonly string[]
}

export type FromGenerator =
  | { readonly id: number; readonly result: JobResult<'closed'> | JobResult<'open'> }
  | { readonly id: number; readonly error: string }

let reaped: Reaped = { pids: [], containers: [] }

async function perform(job: Job): Promise<JobResult<'closed'> | JobResult<'open'>> {
  const before = performance.eventLoopUtilization()
  const result = job.kind === 'closed' ? await closedLoop(job.options) : await openLoop(job.options)
  return { ...result, utilisation: performance.eventLoopUtilization(before).utilization }
}

function listen(): void {
  process.on('message', (message: ToGenerator) => {
    if ('reapOnExit' in message) {
      reaped = message.reapOnExit
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
    const { pids, containers } = reaped
    for (const pid of pids) killIfRunning(pid)
    if (containers.length > 0) spawnSync('docker', ['rm', '--force', '--volumes', ...containers])
    process.exit(0)
  })
  // Ctrl-C reaches the whole process group; the parent decides when this process ends.
  process.on('SIGINT', () => {})
}

function killIfRunning(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has exited already.
  }
}

if (process.send !== undefined) listen()
