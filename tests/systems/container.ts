import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { freePort } from '@reference/local-stack'

const run = promisify(execFile)
const docker = async (...args: string[]) => (await run('docker', args)).stdout.trim()

/** Why a container of this image cannot be started here; undefined when it can. Nothing is pulled. */
export async function missing(image: string): Promise<string | undefined> {
  try {
    await docker('version', '--format', '{{.Server.Version}}')
  } catch {
    return 'no Docker engine answers'
  }
  const found = await docker('image', 'ls', '--quiet', image)
  return found === '' ? `there is no image ${image}: docker pull ${image}` : undefined
}

export interface Container {
  readonly port: number
  /** Stops answering without closing a connection, as a hung host does. */
  pause(): Promise<unknown>
  unpause(): Promise<unknown>
  restart(): Promise<unknown>
}

/** A container of the test's own, its one port on a free one of 127.0.0.1; gone with its data when the test ends. */
export async function startContainer(
  t: { teardown(fn: () => unknown): unknown },
  { image, port: inside, env }: { image: string; port: number; env: Record<string, string> },
): Promise<Container> {
  const port = await freePort()
  const variables = Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`])
  const id = await docker('run', '--detach', ...variables, '--publish', `127.0.0.1:${port}:${inside}`, image)
  t.teardown(() => docker('rm', '--force', '--volumes', id))
  return {
    port,
    pause: () => docker('pause', id),
    unpause: () => docker('unpause', id),
    restart: () => docker('restart', '--time', '10', id),
  }
}
