import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('stack-process.ts', import.meta.url))

/** Runs `stack-process.ts` (or a copy of it) and waits for the pids that it prints. */
export async function startStackProcess(
  dir: string,
  { script = program, env = process.env }: { script?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<{ process: ChildProcess; url: string; pids: number[]; errors: () => string }> {
  const child = spawn(process.execPath, [script, dir], { stdio: ['ignore', 'pipe', 'pipe'], env })
  let output = ''
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors += chunk
  })
  const line = await new Promise<string>((resolve, reject) => {
    child.once('close', (code) => reject(new Error(`The fixture ended (${code}): ${errors}`)))
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
      if (output.includes('\n')) resolve(output)
    })
  })
  const printed: { url: string; pids: number[] } = JSON.parse(line)
  return { process: child, ...printed, errors: () => errors }
}
