import { execFileSync, spawnSync } from 'node:child_process'
import { chown, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { localStackError } from './errors.ts'

/** Unprivileged accounts of a Unix system, the preferred one first. */
const UNIX_ACCOUNTS = ['postgres', '_postgres', 'nobody']

export interface ServerUser {
  name: string
  uid: number
  gid: number
}

/**
 * The user that the servers run as; undefined for the current user. Postgres refuses to run as root, and a Redis without a
 * password should not: under root both run as `postgres` if that account exists, else as the system's unprivileged account
 * (initdb needs an account with a name).
 */
export function serverUser(): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined
  for (const name of UNIX_ACCOUNTS) {
    const uid = idOf('-u', name)
    const gid = idOf('-g', name)
    if (uid !== undefined && gid !== undefined) return { name, uid, gid }
  }
  throw localStackError(
    'SERVER_USER_MISSING',
    `Postgres cannot run as root, and there is none of the users ${UNIX_ACCOUNTS.join(', ')}`,
  )
}

function idOf(flag: '-u' | '-g', name: string): number | undefined {
  try {
    return Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
  } catch {
    return undefined
  }
}

/** Whether the user can enter the folder. Tries it, since more than the mode decides. */
export const canEnter = (user: ServerUser | undefined, folder: string): boolean =>
  spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], {
    cwd: '/',
    stdio: 'ignore',
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  }).status === 0

/** Makes a temporary folder that belongs to the user, under `parent` or a temporary folder of the system. */
export async function serverFolder(
  user: ServerUser | undefined,
  name: string,
  parent?: string,
): Promise<string> {
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
