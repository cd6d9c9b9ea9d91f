import { execFile, spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { access, rm, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { hasCode, localStackError } from './errors.ts'

export interface FindRedisOptions {
  /** Where programs are looked for; `PATH` unless given. */
  path?: string
  say?: (line: string) => void
}

/** The line to type when the server is missing. */
export const redisInstallLine =
  'Debian, Ubuntu: sudo apt-get update && sudo apt-get install -y redis-server   macOS: brew install redis'

/**
 * Finds the Redis or Valkey server on PATH. If there is none, root on a machine with apt-get installs it and reports that.
 *
 * @throws LocalStackError REDIS_MISSING with the line to type
 */
export async function findRedisServer(options: FindRedisOptions = {}): Promise<string> {
  const { path = process.env.PATH ?? '', say = sayOnStderr } = options
  const found = await findServer(path)
  if (found !== undefined) return found
  const aptGet = process.getuid?.() === 0 ? await findProgram('apt-get', path) : undefined
  if (aptGet !== undefined) {
    await installWithApt(aptGet, path, say)
    const installed = await findServer(path)
    if (installed !== undefined) return installed
  }
  throw localStackError(
    'REDIS_MISSING',
    `Neither redis-server nor valkey-server is on PATH. To install it:\n  ${redisInstallLine.replace('   ', '\n  ')}`,
  )
}

/** `redis-cli` or `valkey-cli`, which comes with the server. */
export async function findRedisCli(path = process.env.PATH ?? ''): Promise<string> {
  const cli = (await findProgram('redis-cli', path)) ?? (await findProgram('valkey-cli', path))
  if (cli !== undefined) return cli
  throw localStackError(
    'REDIS_MISSING',
    'Neither redis-cli nor valkey-cli is on PATH; they come with the server',
  )
}

/** Whether this Redis was built with TLS, which is optional at build time. Its tools are built with the server. */
export async function hasRedisTls(): Promise<boolean> {
  const { stdout, stderr } = await promisify(execFile)(await findRedisCli(), ['--help']).catch(
    // Some releases print their help with exit code 1.
    (error: { stdout?: string; stderr?: string }) => error,
  )
  return /--cacert\b/.test(`${stdout}${stderr}`)
}

export function sayOnStderr(line: string): void {
  process.stderr.write(`local-stack: ${line}\n`)
}

const findServer = async (path: string): Promise<string | undefined> =>
  (await findProgram('redis-server', path)) ?? (await findProgram('valkey-server', path))

async function findProgram(name: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    const file = join(folder, name)
    const found = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (folder !== '' && found) return file
  }
  return undefined
}

async function installWithApt(aptGet: string, path: string, say: (line: string) => void): Promise<void> {
  say('redis-server is missing: installing the package redis-server with apt-get (as root) …')
  // Debian starts an installed server. An exit code of 101 prevents that, since this stack starts its own.
  const policy = '/usr/sbin/policy-rc.d'
  const isOwnPolicy = await writeFile(policy, '#!/bin/sh\nexit 101\n', { flag: 'wx', mode: 0o755 }).then(
    () => true,
    (error: unknown) => {
      if (hasCode(error, 'EEXIST')) return false
      throw error
    },
  )
  try {
    await apt(aptGet, path, ['update'])
    await apt(aptGet, path, ['install', '-y', '--no-install-recommends', 'redis-server'])
    say('installed redis-server')
  } catch (error) {
    say(`apt-get could not install it: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    if (isOwnPolicy) await rm(policy, { force: true })
  }
}

async function apt(aptGet: string, path: string, args: string[]): Promise<void> {
  const child = spawn(aptGet, ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: path, DEBIAN_FRONTEND: 'noninteractive' },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output = (output + chunk).slice(-2000)
    })
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve)
  })
  if (code !== 0) throw new Error(`apt-get ${args[0]} ended with ${code}: ${output.trim()}`)
}
