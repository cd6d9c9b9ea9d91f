import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { until } from '@reference/local-stack'

const file = fileURLToPath(new URL('../../packages/jobs/src/fixtures/ledger-worker.ts', import.meta.url))

export interface Workers {
  /** Kills one at random with SIGKILL and starts another in its place; gives the pid of the dead one. */
  killOne(): Promise<number>
  /** SIGTERM to each; gives their exit codes. */
  end(): Promise<(number | null)[]>
}

/** Worker processes on a database, as many as asked for at any time; all dead when the test ends. */
export async function startWorkers(
  t: { teardown(fn: () => unknown): unknown },
  databaseUrl: string,
  count: number,
): Promise<Workers> {
  const alive = new Set<ChildProcess>()
  const working: ChildProcess[] = []
  t.teardown(() => Promise.all([...alive].map((worker) => ended(worker, 'SIGKILL'))))

  async function start(): Promise<void> {
    const worker = spawn(process.execPath, [file, databaseUrl], { stdio: ['ignore', 'pipe', 'inherit'] })
    alive.add(worker)
    const exit = once(worker, 'exit')
    exit.then(() => alive.delete(worker))
    await Promise.race([once(worker.stdout, 'data'), exit])
    working.push(worker)
  }

  let starting: Promise<unknown> = Promise.all(Array.from({ length: count }, start))
  await starting
  return {
    async killOne() {
      await until('a worker works', () => working.length > 0)
      const [victim] = working.splice(Math.floor(Math.random() * working.length), 1)
      if (victim?.pid === undefined) throw new Error('A worker did not start.')
      await ended(victim, 'SIGKILL')
      starting = Promise.all([starting, start()])
      return victim.pid
    },
    async end() {
      await starting
      return Promise.all([...alive].map((worker) => ended(worker, 'SIGTERM')))
    },
  }
}

async function ended(worker: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (worker.exitCode === null && worker.signalCode === null) {
    worker.kill(signal)
    await once(worker, 'exit')
  }
  return worker.exitCode
}
