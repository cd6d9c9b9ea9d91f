import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

/**
 * Runs `pnpm bench` with these arguments as a process.
 *
 * @param onStderr called with all of its standard error so far, and a function that sends SIGINT
 * @param environment in addition to that of this process
 */
export async function runBench(
  args: readonly string[],
  onStderr: (text: string, stop: () => void) => void = () => {},
  environment: Readonly<Record<string, string>> = {},
) {
  const env = { ...process.env, ...environment }
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    onStderr(stderr, () => child.kill('SIGINT'))
  })
  const [code] = await once(child, 'close')
  return { code, stdout, stderr, pid: child.pid }
}
