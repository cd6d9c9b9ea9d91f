import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface RunningLab {
  readonly url: string
  readonly pid: number
  /** Sends SIGINT, as Ctrl-C does, and returns the exit code. */
  stop(): Promise<number | null>
  /** Its standard error so far. */
  readonly log: () => string
}

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))

/** Starts `pnpm lab` as a process on a free port. The page answers at once; the servers start after it. */
export async function startLab(args: readonly string[]): Promise<RunningLab> {
  const child = spawn(process.execPath, [MAIN, '--port', '0', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  const exited = once(child, 'exit')
  const [line] = (await Promise.race([
    once(child.stdout.setEncoding('utf8'), 'data'),
    exited.then(() => {
      throw new Error(`the lab ended before it had a page:\n${log}`)
    }),
  ])) as [string]
  return {
    url: line.trim(),
    pid: child.pid ?? 0,
    log: () => log,
    async stop() {
      child.kill('SIGINT')
      const [code] = await exited
      return code
    },
  }
}
