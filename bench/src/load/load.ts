import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ClosedLoopOptions } from './closed-loop.ts'
import type { FromGenerator, Job, JobResult, ToGenerator } from './generator.ts'
import type { OpenLoopOptions } from './open-loop.ts'

/** The load generator, in a process of its own. */
export interface Load {
  readonly pid: number
  closed(options: ClosedLoopOptions): Promise<JobResult<'closed'>>
  open(options: OpenLoopOptions): Promise<JobResult<'open'>>
  /** Processes and containers that must not outlive this run, should it be killed. */
  guard(pids: readonly number[], containers?: readonly string[]): void
  close(): Promise<void>
}

/** Starts the generator's process. It inherits the cores of this one. */
export function startLoad(): Load {
  const child = fork(fileURLToPath(new URL('generator.ts', import.meta.url)), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // A session of its own: the scheduler weighs sessions against each other.
    detached: true,
  })
  const waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>()
  let ids = 0
  let closing = false
  child.on('message', (answer: FromGenerator) => {
    const caller = waiting.get(answer.id)
    waiting.delete(answer.id)
    if ('error' in answer) caller?.reject(new Error(`load generator: ${answer.error}`))
    else caller?.resolve(answer.result as never)
  })
  const exited = once(child, 'exit')
  void exited.then(([code, signal]) => {
    if (closing) return
    for (const { reject } of waiting.values()) reject(new Error(`load generator ended (${signal ?? code})`))
    waiting.clear()
  })

  const tell = (message: ToGenerator) => {
    if (child.connected) child.send(message)
  }
  const perform = <Kind extends Job['kind']>(job: Job & { kind: Kind }): Promise<JobResult<Kind>> =>
    new Promise((resolve, reject) => {
      if (!child.connected) {
        reject(new Error('load generator is not running'))
        return
      }
      const id = ids++
      waiting.set(id, { resolve, reject })
      tell({ id, job })
    })

  return {
    pid: child.pid ?? 0,
    closed: (options) => perform({ kind: 'closed', options }),
    open: (options) => perform({ kind: 'open', options }),
    guard: (guarded, containers = []) => tell({ guarded, containers }),
    async close() {
      closing = true
      tell({ guarded: [], containers: [] })
      child.kill('SIGKILL')
      await exited
    },
  }
}
