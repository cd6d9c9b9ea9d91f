import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '@reference/async'
import { BenchError } from '../errors.ts'

/** A container on the host's network. */
interface Container {
  readonly name: string
  readonly image: string
  /** Process id of its first process on this machine. */
  readonly pid: number
  /** Its last lines, for error messages. */
  logs(): string
  stop(): Promise<void>
}

interface ContainerOptions {
  readonly image: string
  /** Files and folders of this machine, read-only in the container: `[here, there]`. */
  readonly mounts: readonly (readonly [from: string, to: string])[]
  /** Folders of the image that are to be empty. */
  readonly emptied?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly cores: readonly number[]
}

/** Why containers cannot run on this machine; undefined where they can. */
export function whyNoContainers(): string | undefined {
  // Elsewhere the engine is a virtual machine with a network of its own.
  if (process.platform !== 'linux') return 'containers on the host’s network need Linux'
  const { status } = spawnSync('docker', ['version', '--format', '{{.Server.Version}}'], { timeout: 10_000 })
  return status === 0 ? undefined : 'no Docker engine'
}

/**
 * Makes an image available.
 *
 * @param command a docker command, such as `build …` or `pull …`
 * @returns why the image is not available, or undefined
 */
export async function makeImage(
  image: string,
  command: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const child = spawn('docker', command, { stdio: ['ignore', 'ignore', 'pipe'], signal })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-2000)
  })
  const [code] = await once(child, 'close')
  if (code === 0) return undefined
  return `no image ${image}: ${errors.trim().split('\n').at(-1) ?? `docker ${command[0]} ended with ${code}`}`
}

/** Pulls an image unless this machine has it. */
export async function pullImage(image: string, signal: AbortSignal): Promise<string | undefined> {
  if (docker('image', 'inspect', '--format', '{{.Id}}', image).status === 0) return undefined
  return makeImage(image, ['pull', image], signal)
}

/** Writes files that the container's user may read. */
export function writeSharedFiles(folder: string, files: Readonly<Record<string, string>>): string {
  chmodSync(folder, 0o755)
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), text)
    chmodSync(join(folder, name), 0o644)
  }
  return folder
}

/**
 * Waits until `probe` succeeds.
 *
 * @throws BenchError with the container's log, after 20 seconds
 */
export async function untilReady(
  container: Container,
  probe: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  const succeeds = async () => {
    await probe()
    return true
  }
  try {
    await until('the container answers', succeeds, {
      timeoutMs: 20_000,
      intervalMs: 20,
      signal,
      retryErrors: true,
    })
  } catch (error) {
    signal.throwIfAborted()
    const { cause } = error as Error
    const reason = cause instanceof Error ? `: ${cause.message}` : ''
    throw new BenchError(
      'CONTAINER_FAILED',
      `${container.image} does not answer${reason}\n${container.logs()}`,
    )
  }
}

let containers = 0

/** @throws BenchError when the engine does not start it */
export function startContainer(options: ContainerOptions): Container {
  const { image, mounts, emptied = [], environment = {}, cores } = options
  const name = `bench-${process.pid}-${containers++}`
  const started = docker(
    ...['run', '--detach', '--name', name, '--network', 'host', '--pull', 'never'],
    ...(cores.length > 0 ? ['--cpuset-cpus', cores.join(',')] : []),
    ...mounts.flatMap(([from, to]) => ['--volume', `${from}:${to}:ro`]),
    ...emptied.flatMap((folder) => ['--tmpfs', folder]),
    ...Object.entries(environment).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    image,
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
