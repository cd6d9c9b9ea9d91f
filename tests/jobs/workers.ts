import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { until } from '@reference/async'
import { LEDGER_WORKER } from '@reference/jobs/testing'

export interface Workers {
  /** Kills one at random with SIGKILL and starts another in its place. @returns the pid of the killed process */
  killOne(): Promise<number>
  /** Sends SIGTERM to each. @returns their exit codes */
  end(): Promise<(number | null)[]>
}

/** Keeps `count` worker processes running on a database. All of them are killed when the test ends. */
export async function startWorkers(
  t: { teardown(fn: () => unknown): unknown },
  databaseUrl: string,
  count: number,
): Promise<Workers> {
  const alive = new Set<ChildProcess>()
  const working: ChildProcess[] = []
  t.teardown(() => Promise.all([...alive].map((worker) => ended(worker, 'SIGKILL'))))

  async function start(): Promise<void> {
    const worker = spawn(process.execPath, [LEDGER_WORKER, databaseUrl], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
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
      await until('a worker is ready', () => working.length > 0, { timeoutMs: 60_000 })
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
