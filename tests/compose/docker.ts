import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const root = fileURLToPath(new URL('../../', import.meta.url))

const run = promisify(execFile)

export type Failed = Error & { stdout: string; stderr: string }

/** Runs `docker …` in the project's folder; what it printed. Rejects with its own words. */
export async function docker(
  args: string[],
  options: { env?: Record<string, string>; seconds?: number } = {},
) {
  const { env = {}, seconds = 120 } = options
  try {
    const { stdout } = await run('docker', args, {
      cwd: root,
      // Older engines build as they did before BuildKit when they are not told; the Dockerfiles need it.
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

/** Whether an image is there; nothing is pulled for a test. */
export const hasImage = (image: string): Promise<boolean> =>
  docker(['image', 'inspect', image]).then(
    () => true,
    () => false,
  )

/** A name that no other run has. */
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
 * Asks until an answer comes.
 *
 * @throws at once when the container has ended, with its log; else after `seconds` with the last refusal
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

/** Waits for a condition. @throws when it does not hold within `seconds` */
export async function until(what: string, condition: () => Promise<boolean>, seconds = 60): Promise<void> {
  const deadline = performance.now() + seconds * 1000
  while (!(await condition().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(`Not so within ${seconds} s: ${what}`)
    await delay(500)
  }
}
