import { CommandError } from '@reference/cli'
import { docker } from './docker.ts'
import type { Production } from './production.ts'

/** A base backup in the archive, as `backup list` prints it. */
export interface BaseBackup {
  /** The time of its start, such as `20261129T101500Z`. */
  readonly id: string
  readonly endedAt: Date
  readonly timeline: number
  /** Encrypted and compressed. */
  readonly bytes: number
}

export const BACKUP_IMAGE = 'reference/backup:18'

/**
 * Takes a base backup now, although the container `backup` takes one a day by itself, and stores the WAL that has arrived.
 *
 * @returns the base backups, oldest first
 */
export async function backup(production: Production): Promise<BaseBackup[]> {
  const [receiver] = await production.containers('backup')
  if (receiver === undefined)
    throw new CommandError('the container backup does not run: pnpm prod up starts it')
  await docker(['exec', receiver.id, 'backup', 'base'])
  return baseBackups(production)
}

/** The base backups, oldest first. */
export async function baseBackups(production: Production): Promise<BaseBackup[]> {
  return parse(await production.exec('backup', ['backup', 'list']))
}

/** Creates the key pair of the backups, unless there is one. */
export async function createBackupKey(production: Production): Promise<void> {
  if (production.state.hasBackupKey()) return
  const run = ['run', '--rm', '--network', 'none', '--entrypoint', 'age-keygen', BACKUP_IMAGE]
  const identity = (await docker(run)).split('\n').find((line) => line.startsWith('AGE-SECRET-KEY-'))
  if (identity === undefined) throw new CommandError('age-keygen printed no key')
  const recipient = await docker(
    ['run', '--rm', '--interactive', '--network', 'none', '--entrypoint', 'age-keygen', BACKUP_IMAGE, '-y'],
    { input: `${identity}\n` },
  )
  production.state.setBackupKey(identity, recipient)
}

export function describeBackup({ id, endedAt, timeline, bytes }: BaseBackup): string {
  const size = `${(bytes / 2 ** 20).toFixed(1)} MiB`
  return `${id}  restorable from ${endedAt.toISOString()} on, timeline ${timeline}, ${size}`
}

function parse(text: string): BaseBackup[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [id = '', ended, timeline, bytes] = line.split(' ')
      return {
        id,
        endedAt: new Date(Number(ended) * 1000),
        timeline: Number(timeline),
        bytes: Number(bytes),
      }
    })
}
