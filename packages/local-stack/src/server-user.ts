import { execFileSync, spawnSync } from 'node:child_process'
import { chown, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { localStackError } from './errors.ts'

export type ServerUser = { name: string; uid: number; gid: number }

/**
 * Postgres refuses to run as root, and a Redis without a password should not: under root both run as `postgres` where
 * that account exists, else as `nobody` (initdb needs an account with a name). Otherwise as whoever runs this.
 */
export const serverUser = (): ServerUser | undefined => {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ['postgres', '_postgres', 'nobody']) {
    const uid = idOf('-u', name)
    const gid = idOf('-g', name)
    if (uid !== undefined && gid !== undefined) return { name, uid, gid }
  }
  throw localStackError(
    'SERVER_USER_MISSING',
    'Run as root, but there is no user postgres or nobody to run Postgres as',
  )
}

const idOf = (flag: '-u' | '-g', name: string): number | undefined => {
  try {
    return Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
  } catch {
    return undefined
  }
}

/** Whether the user can enter the folder: the kernel is asked, since modes are not all that decides. */
export const canEnter = (user: ServerUser | undefined, folder: string): boolean =>
  spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], {
    cwd: '/',
    stdio: 'ignore',
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  }).status === 0

/** A new temporary folder that belongs to the user, under `parent` or where temporary folders are here. */
export const serverFolder = async (
  user: ServerUser | undefined,
  name: string,
  parent?: string,
): Promise<string> => {
  const candidates = parent === undefined ? [tmpdir(), '/tmp', '/var/tmp'] : [parent]
  const reachable = candidates.find((folder) => canEnter(user, folder))
  if (reachable === undefined) {
    throw localStackError(
      'FOLDER_UNREACHABLE',
      `The user ${user?.name ?? 'that runs this'} cannot enter ${candidates.join(' or ')}, so no server can keep its data there`,
    )
  }
  const folder = await mkdtemp(join(reachable, `local-stack-${name}-`))
  if (user !== undefined) await chown(folder, user.uid, user.gid)
  return folder
}
