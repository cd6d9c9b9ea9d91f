import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs the file of a command as a process of its own, without a shell.
 *
 * @param env its whole environment
 * @returns its exit code and what it printed, also when it fails
 */
export function runFile(file: URL, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [fileURLToPath(file), ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    )
  })
}

/** An environment of these variables and `PATH`: no other setting of the caller and no development stack reaches the process. */
export function withPath(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LOCAL_STACKS_FOLDER: '/nonexistent', ...env }
}
