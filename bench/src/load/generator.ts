/**
 * The load generator's own process: receives jobs over IPC, runs them concurrently, and replies with their results.
 *
 * It exits with its parent and first ends the registered servers, so that a killed benchmark leaves no process behind.
 */
import { spawnSync } from 'node:child_process'
import { type ClosedLoopOptions, type ClosedLoopResult, closedLoop } from './closed-loop.ts'
import { type ImpatientOptions, type ImpatientResult, impatientLoop } from './impatient-loop.ts'
import { KeepAliveLoop, type KeepAliveOptions, type SliceResult } from './keep-alive-loop.ts'
import { type OpenLoopOptions, type OpenLoopResult, openLoop } from './open-loop.ts'

export type Job =
  | { readonly kind: 'closed'; readonly options: ClosedLoopOptions }
  | { readonly kind: 'open'; readonly options: OpenLoopOptions }
  | { readonly kind: 'impatient'; readonly options: ImpatientOptions }
  | { readonly kind: 'slice'; readonly options: SliceOptions }

interface SliceOptions {
  /** The loop whose connections are used. */
  readonly loop: number
  readonly durationMs: number
}

interface Results {
  readonly closed: ClosedLoopResult
  readonly open: OpenLoopResult
  readonly impatient: ImpatientResult
  readonly slice: SliceResult
}

export type JobResult<Kind extends Job['kind']> = Results[Kind] & {
  /** Share of the time for which the generator's event loop was busy, 0–1. */
  readonly utilisation: number
}
type AnyResult = { [Kind in Job['kind']]: JobResult<Kind> }[Job['kind']]

export type ToGenerator =
  | { readonly id: number; readonly job: Job }
  | { readonly reapOnExit: Reaped }
  | { readonly keepLoop: number; readonly options: KeepAliveOptions }
  | { readonly closeLoop: number }

/** Processes and containers to end when the benchmark is killed. */
export interface Reaped {
  readonly pids: readonly number[]
  readonly containers: readonly string[]
}

export type FromGenerator =
  | { readonly id: number; readonly result: AnyResult }
  | { readonly id: number; readonly error: string }

let reaped: Reaped = { pids: [], containers: [] }
/** Closed loops that keep their connections between slices. */
const loops = new Map<number, KeepAliveLoop>()

async function perform(job: Job): Promise<AnyResult> {
  const before = performance.eventLoopUtilization()
  const result = await start(job)
  return { ...result, utilisation: performance.eventLoopUtilization(before).utilization }
}

function start(job: Job): Promise<Results[Job['kind']]> {
  if (job.kind === 'closed') return closedLoop(job.options)
  if (job.kind === 'open') return openLoop(job.options)
  if (job.kind === 'impatient') return impatientLoop(job.options)
  const loop = loops.get(job.options.loop)
  if (loop === undefined) throw new Error('this loop is closed')
  return loop.run(job.options.durationMs)
}

function listen(): void {
  process.on('message', (message: ToGenerator) => {
    if ('reapOnExit' in message) {
      reaped = message.reapOnExit
      return
    }
    if ('keepLoop' in message) {
      loops.set(message.keepLoop, new KeepAliveLoop(message.options))
      return
    }
    if ('closeLoop' in message) {
      loops.get(message.closeLoop)?.close()
      loops.delete(message.closeLoop)
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
