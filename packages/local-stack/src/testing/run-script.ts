import { type IOType, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Runs a command of this package as a process of its own. */
export function runScript(
  name: string,
  args: string[],
  env: NodeJS.ProcessEnv = process.env,
  stdout: IOType | number = 'pipe',
) {
  const script = fileURLToPath(new URL(`../commands/${name}.ts`, import.meta.url))
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', stdout, 'pipe'], env })
  const output = { stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    output.stdout += chunk
  })
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    output.stderr += chunk
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, output, ended }
}
