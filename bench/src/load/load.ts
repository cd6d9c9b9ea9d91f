import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { BenchError } from '../errors.ts'
import type { ClosedLoopOptions } from './closed-loop.ts'
import type { FromGenerator, Job, JobResult, Reaped, ToGenerator } from './generator.ts'
import type { ImpatientOptions } from './impatient-loop.ts'
import type { KeepAliveOptions } from './keep-alive-loop.ts'
import type { OpenLoopOptions } from './open-loop.ts'

/** The load generator, in a process of its own. */
export interface Load {
  readonly pid: number
  closed(options: ClosedLoopOptions): Promise<JobResult<'closed'>>
  open(options: OpenLoopOptions): Promise<JobResult<'open'>>
  /** An open loop of callers that give up. */
  impatient(options: ImpatientOptions): Promise<JobResult<'impatient'>>
  /** A closed loop for slices, whose connections stay open until `close()`. */
  slices(options: KeepAliveOptions): SliceLoad
  /** Sets the processes and containers that the generator ends if this process is killed. */
  reapOnExit(of: Partial<Reaped>): void
  close(): Promise<void>
}

/** Slices of load over the same connections. */
export interface SliceLoad {
  run(durationMs: number): Promise<JobResult<'slice'>>
  close(): void
}

/** Starts the generator's process, on the cores of this one. */
export function startLoad(): Load {
  const child = fork(fileURLToPath(new URL('generator.ts', import.meta.url)), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // A session of its own, because Linux' scheduler distributes CPU time between sessions.
    detached: true,
  })
  const callers = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>()
  let ids = 0
  let closing = false
  child.on('message', (answer: FromGenerator) => {
    const caller = callers.get(answer.id)
    callers.delete(answer.id)
    if ('error' in answer) caller?.reject(new BenchError('LOAD_FAILED', `load generator: ${answer.error}`))
    else caller?.resolve(answer.result as never)
  })
  const exited = once(child, 'exit')
  void exited.then(([code, signal]) => {
    if (closing) return
    for (const { reject } of callers.values()) reject(new Error(`load generator ended (${signal ?? code})`))
    callers.clear()
  })

  const post = (message: ToGenerator) => {
    if (child.connected) child.send(message)
  }
  const perform = <Kind extends Job['kind']>(job: Job & { kind: Kind }): Promise<JobResult<Kind>> =>
    new Promise((resolve, reject) => {
      if (!child.connected) {
        reject(new Error('load generator is not running'))
        return
      }
      const id = ids++
      callers.set(id, { resolve, reject })
      post({ id, job })
    })

  return {
    pid: child.pid ?? 0,
    closed: (options) => perform({ kind: 'closed', options }),
    open: (options) => perform({ kind: 'open', options }),
    impatient: (options) => perform({ kind: 'impatient', options }),
    slices(options) {
      const loop = ids++
      post({ keepLoop: loop, options })
      return {
        run: (durationMs) => perform({ kind: 'slice', options: { loop, durationMs } }),
        close: () => post({ closeLoop: loop }),
      }
    },
    reapOnExit: ({ pids = [], containers = [] }) => post({ reapOnExit: { pids, containers } }),
    async close() {
      closing = true
      child.kill('SIGKILL')
      await exited
    },
  }
}
