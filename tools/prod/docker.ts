import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { CommandError } from '@reference/cli'

export interface RunOptions {
  env?: Record<string, string>
  cwd?: string
  /** Print the output of the command instead of returning it. */
  show?: boolean
  input?: string
}

/**
 * Runs `docker …`.
 *
 * @returns its output
 * @throws CommandError with its error output when it fails
 */
export async function docker(args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { env = {}, cwd, show = false, input } = options
  const child = spawn('docker', args, {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', show ? 'inherit' : 'pipe', show ? 'inherit' : 'pipe'],
  })
  child.stdin?.end(input)
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', (cause) => reject(new CommandError(`docker cannot be started: ${cause.message}`)))
    child.once('close', (code) => resolve(code ?? 1))
  })
  const [out, err, code] = await Promise.all([
    child.stdout ? text(child.stdout) : '',
    child.stderr ? text(child.stderr) : '',
    ended,
  ])
  if (code !== 0) throw new CommandError(`docker ${args.join(' ')} failed (${code})\n${err || out}`.trimEnd())
  return out.trimEnd()
}
