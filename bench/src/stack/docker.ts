import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BenchError } from '../errors.ts'

/** A container on the host's network, on its own cores. */
export interface Container {
  readonly name: string
  readonly image: string
  /** Its first process, as this machine sees it. */
  readonly pid: number
  /** What it has written, for messages. */
  logs(): string
  stop(): Promise<void>
}

export interface ContainerOptions {
  readonly image: string
  /** Files and folders of this machine, read-only in the container: `[here, there]`. */
  readonly mounts: readonly (readonly [from: string, to: string])[]
  readonly environment?: Readonly<Record<string, string>>
  readonly command?: readonly string[]
  readonly flags?: readonly string[]
  readonly cores: readonly number[]
}

/** Why containers cannot be measured here; undefined where they can. Asks the engine once. */
export function withoutContainers(): string | undefined {
  // Elsewhere the engine is a virtual machine: its host's network is not this machine's.
  if (process.platform !== 'linux') return 'containers on the host’s network need Linux'
  const { status } = spawnSync('docker', ['version', '--format', '{{.Server.Version}}'], { timeout: 10_000 })
  return status === 0 ? undefined : 'no Docker engine'
}

/**
 * Makes an image available.
 *
 * @param make a docker command, such as `build …` or `pull …`
 * @returns why it cannot be had, or undefined
 */
export async function makeImage(
  image: string,
  make: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const child = spawn('docker', make, { stdio: ['ignore', 'ignore', 'pipe'], signal })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-2000)
  })
  const [code] = await once(child, 'close')
  if (code === 0) return undefined
  return `no image ${image}: ${errors.trim().split('\n').at(-1) ?? `docker ${make[0]} ended with ${code}`}`
}

/** As it is on this machine, else from its registry. */
export async function haveImage(image: string, signal: AbortSignal): Promise<string | undefined> {
  if (docker('image', 'inspect', '--format', '{{.Id}}', image).status === 0) return undefined
  return makeImage(image, ['pull', image], signal)
}

/** Files that a container's own user may read. */
export function sharedFolder(folder: string, files: Readonly<Record<string, string>>): string {
  chmodSync(folder, 0o755)
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), text)
    chmodSync(join(folder, name), 0o644)
  }
  return folder
}

/** Waits until `ask` succeeds. @throws BenchError with what the container says, after five seconds */
export async function untilReady(
  container: Container,
  ask: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  const until = performance.now() + 5000
  for (;;) {
    signal.throwIfAborted()
    try {
      await ask()
      return
    } catch (error) {
      if (performance.now() > until) {
        throw new BenchError(
          'CONTAINER_FAILED',
          `${container.image} does not answer: ${(error as Error).message}\n${container.logs()}`,
          { cause: error },
        )
      }
    }
    await sleep(20)
  }
}

let containers = 0

/** @throws BenchError when the engine does not start it */
export function startContainer(options: ContainerOptions): Container {
  const { image, mounts, environment = {}, command = [], flags = [], cores } = options
  const name = `bench-${process.pid}-${containers++}`
  const started = docker(
    ...['run', '--detach', '--name', name, '--network', 'host', '--pull', 'never'],
    ...(cores.length > 0 ? ['--cpuset-cpus', cores.join(',')] : []),
    ...mounts.flatMap(([from, to]) => ['--volume', `${from}:${to}:ro`]),
    ...Object.entries(environment).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    ...[...flags, image, ...command],
  )
  if (started.status !== 0) {
    removeContainer(name)
    throw new BenchError('CONTAINER_FAILED', `${image} does not start: ${started.stderr.trim()}`)
  }
  return {
    name,
    image,
    pid: Number(docker('inspect', '--format', '{{.State.Pid}}', name).stdout.trim()),
    logs: () => {
      const { stdout, stderr } = docker('logs', '--tail', '4', name)
      return `${stdout}${stderr}`.trim()
    },
    stop: async () => removeContainer(name),
  }
}

function removeContainer(name: string): void {
  docker('rm', '--force', '--volumes', name)
}

function docker(...args: readonly string[]) {
  return spawnSync('docker', args, { encoding: 'utf8', timeout: 30_000 })
}
