import { execFile } from 'node:child_process'
import { readFile, statfs } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { publishedPorts } from './parse.ts'

/** Facts about the machine; `undefined` where a fact could not be read. */
export interface Facts {
  readonly platform: NodeJS.Platform
  readonly node: { readonly running: string; readonly pinned: string }
  readonly docker:
    | { readonly info: DockerInfo; readonly compose: string | undefined }
    | { readonly missing: string }
  readonly colima: ColimaStatus | undefined
  readonly freeDiskBytes: number | undefined
  readonly kernel: Kernel
  readonly volumes: Volume[]
  readonly containers: ContainerUse[]
  readonly networks: { readonly name: string; readonly driver: string }[]
  readonly onHostNetwork: string[]
  readonly ports: PortUse[]
}

export interface DockerInfo {
  readonly NCPU: number
  readonly MemTotal: number
  readonly Driver: string
  readonly OperatingSystem: string
  readonly KernelVersion: string
  readonly CgroupVersion: string
  readonly DockerRootDir: string
  readonly ServerVersion: string
}

export interface ColimaStatus {
  readonly arch?: string
  readonly runtime?: string
  readonly mount_type?: string
  readonly cpu?: number
  readonly memory?: number
  readonly disk?: number
}

export interface Kernel {
  readonly overcommit: string | undefined
  readonly transparentHugePages: string | undefined
  readonly somaxconn: string | undefined
}

export interface Volume {
  readonly Name: string
  readonly Driver: string
  readonly Size: string
  readonly Links: string
}

export interface ContainerUse {
  readonly Name: string
  readonly MemPerc: string
  readonly MemUsage: string
  readonly CPUPerc: string
  readonly BlockIO: string
}

export interface PortUse {
  readonly port: number
  /** The service of docker-compose.yml that publishes the port. */
  readonly service: string
  readonly taken: boolean
  /** The container that holds the port, and whether it belongs to this project; otherwise a process of the machine. */
  readonly container: string | undefined
  readonly ours: boolean
}

const LIMIT_MS = 20_000

/** Reads facts from Node, Docker, Colima and the kernel, side by side; changes nothing. */
export async function gatherFacts(): Promise<Facts> {
  const [pinned, info] = await Promise.all([pinnedNode(), dockerInfo()])
  const there = !('missing' in info)
  const colima = await colimaStatus()
  const inVm = colima !== undefined
  const [compose, volumes, containers, networks, onHostNetwork, kernel, freeDiskBytes, ports] =
    await Promise.all([
      run('docker', ['compose', 'version', '--short']),
      there ? lines<{ Volumes: Volume[] }>(['system', 'df', '-v', '--format', 'json']) : [],
      there ? lines<ContainerUse>(['stats', '--no-stream', '--format', '{{json .}}']) : [],
      there ? lines<{ Name: string; Driver: string }>(['network', 'ls', '--format', '{{json .}}']) : [],
      there ? lines<{ Names: string }>(['ps', '--filter', 'network=host', '--format', '{{json .}}']) : [],
      readKernel(inVm),
      there ? freeDisk(info.DockerRootDir, inVm) : undefined,
      there ? portUse() : [],
    ])
  return {
    platform: process.platform,
    node: { running: process.versions.node, pinned },
    docker: there ? { info, compose: compose?.trim() } : info,
    colima,
    freeDiskBytes,
    kernel,
    volumes: volumes.flatMap(({ Volumes }) => Volumes ?? []),
    containers,
    networks: networks.map(({ Name, Driver }) => ({ name: Name, driver: Driver })),
    onHostNetwork: onHostNetwork.map(({ Names }) => Names),
    ports,
  }
}

async function pinnedNode(): Promise<string> {
  const manifest = JSON.parse(await readFile(join(REPOSITORY_ROOT, 'package.json'), 'utf8'))
  return manifest.devDependencies.node
}

async function dockerInfo(): Promise<DockerInfo | { missing: string }> {
  try {
    const info = JSON.parse(await must('docker', ['info', '--format', '{{json .}}']))
    // The client also answers without an engine, with the engine's error.
    if (info.ServerErrors?.length > 0) return { missing: String(info.ServerErrors[0]) }
    return info
  } catch (error) {
    const { code, stderr = '' } = error as { code?: unknown; stderr?: string }
    if (code === 'ENOENT') return { missing: 'there is no docker on the PATH' }
    return { missing: stderr.trim().split('\n')[0] || 'the engine does not answer' }
  }
}

async function colimaStatus(): Promise<ColimaStatus | undefined> {
  const text = await run('colima', ['status', '--json'])
  return text === undefined ? undefined : JSON.parse(text)
}

async function readKernel(inVm: boolean): Promise<Kernel> {
  const read = async (file: string) => {
    if (inVm) return (await run('colima', ['ssh', '--', 'cat', file]))?.trim()
    return process.platform === 'linux'
      ? (await readFile(file, 'utf8').catch(() => undefined))?.trim()
      : undefined
  }
  const [overcommit, transparentHugePages, somaxconn] = await Promise.all([
    read('/proc/sys/vm/overcommit_memory'),
    read('/sys/kernel/mm/transparent_hugepage/enabled'),
    read('/proc/sys/net/core/somaxconn'),
  ])
  return { overcommit, transparentHugePages, somaxconn }
}

async function freeDisk(folder: string, inVm: boolean): Promise<number | undefined> {
  if (inVm) {
    const text = await run('colima', ['ssh', '--', 'df', '-B1', '--output=avail', folder])
    return text === undefined ? undefined : Number(text.trim().split('\n').at(-1))
  }
  const stat = await statfs(folder).catch(() => undefined)
  return stat && stat.bavail * stat.bsize
}

async function portUse(): Promise<PortUse[]> {
  const config = await run('docker', ['compose', '--profile', '*', 'config', '--format', 'json'])
  const wanted = config === undefined ? [] : publishedPorts(JSON.parse(config))
  const running = await lines<{ Names: string; Ports: string; Labels: string }>([
    'ps',
    '--format',
    '{{json .}}',
  ])
  return Promise.all(
    wanted.map(async ({ port, service }) => {
      const holder = running.find(({ Ports }) => new RegExp(`:${port}->`).test(Ports))
      return {
        port,
        service,
        taken: await answers(port),
        container: holder?.Names,
        ours: holder?.Labels.includes(`com.docker.compose.project.working_dir=${REPOSITORY_ROOT},`) ?? false,
      }
    }),
  )
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: 1000 })
    const done = (taken: boolean) => {
      socket.destroy()
      resolve(taken)
    }
    socket
      .once('connect', () => done(true))
      .once('error', () => done(false))
      .once('timeout', () => done(true))
  })
}

async function lines<T>(args: string[]): Promise<T[]> {
  const text = await run('docker', args)
  return (text ?? '')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
}

/** The output of a program; undefined when it is missing or fails. */
const run = (program: string, args: string[]): Promise<string | undefined> =>
  must(program, args).catch(() => undefined)

function must(program: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd: REPOSITORY_ROOT, timeout: LIMIT_MS, maxBuffer: 64e6 }
    execFile(program, args, options, (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(Object.assign(error, { stderr })),
    )
  })
}
