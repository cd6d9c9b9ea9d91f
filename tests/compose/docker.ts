import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { delay, until as waitUntil } from '@reference/async'
import { REPOSITORY_ROOT } from '@reference/cli'

export const root = REPOSITORY_ROOT

const run = promisify(execFile)

export type Failed = Error & { stdout: string; stderr: string }

/** Runs `docker …` in the folder of the project and returns its output. */
export async function docker(
  args: string[],
  options: { env?: Record<string, string>; seconds?: number } = {},
) {
  const { env = {}, seconds = 120 } = options
  try {
    const { stdout } = await run('docker', args, {
      cwd: root,
      // The Dockerfiles need BuildKit, which is not the default of older engines.
      env: { ...process.env, DOCKER_BUILDKIT: '1', ...env },
      timeout: seconds * 1000,
      maxBuffer: 64 * 2 ** 20,
    })
    return stdout
  } catch (error) {
    const { stderr = '', stdout = '' } = error as Partial<Failed>
    throw Object.assign(new Error(`docker ${args.slice(0, 6).join(' ')} …\n${stderr || stdout}`), {
      stdout,
      stderr,
    })
  }
}

/** Whether an image exists here; tests pull none. */
export const hasImage = (image: string): Promise<boolean> =>
  docker(['image', 'inspect', image]).then(
    () => true,
    () => false,
  )

/** A name that is unique to this run. */
export const uniqueName = (what: string): string => `reference-test-${what}-${randomBytes(4).toString('hex')}`

export interface Container {
  name: string
  exec(...command: string[]): Promise<string>
  remove(): Promise<void>
}

/** Starts a container; `args` are those of `docker run`, image and command last. */
export async function startContainer(what: string, args: string[]): Promise<Container> {
  const name = uniqueName(what)
  await docker(['run', '--detach', '--init', '--name', name, ...args])
  return {
    name,
    exec: (...command) => docker(['exec', name, ...command]),
    remove: async () => {
      await docker(['rm', '--force', '--volumes', name])
    },
  }
}

/**
 * Repeats a call until it succeeds.
 *
 * @throws at once when the container has ended, with its log; after `seconds` with the last error
 */
export async function untilReady<T>(container: Container, ask: () => Promise<T>, seconds = 90): Promise<T> {
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      const state = await docker(['inspect', '--format', '{{.State.Running}}', container.name])
      if (state.trim() !== 'true') {
        const { stdout, stderr } = await run('docker', ['logs', '--tail', '40', container.name])
        throw new Error(`The server ended:\n${stdout}${stderr}`)
      }
      if (performance.now() > deadline) throw error
    }
    await delay(500)
  }
}

/** Waits for a condition; one that throws does not hold yet. */
export async function until(what: string, condition: () => Promise<boolean>, seconds = 60): Promise<void> {
  await waitUntil(what, condition, { timeoutMs: seconds * 1000, intervalMs: 500, retryErrors: true })
}
