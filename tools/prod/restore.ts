import { CommandError } from '@reference/cli'
import { backup, baseBackups, describeBackup } from './backup.ts'
import { docker } from './docker.ts'
import { APIS, type Production } from './production.ts'
import { up } from './up.ts'

export interface RestoreOptions {
  /** The moment; undefined: the end of the stored WAL. */
  readonly to?: Date | undefined
  /** A former history of the database, for a moment that an earlier restore has left out. Default: the latest. */
  readonly timeline?: number | undefined
  readonly log: (line: string) => void
}

const NODES = ['postgres-primary', 'postgres-replica'] as const

/**
 * Replaces the data of the primary by the backups, up to a moment. Each step can be repeated: after a failure, call it again.
 *
 * 1. The APIs, the worker and PgBouncer stop: nothing is acknowledged that the restore would leave out. nginx answers 502 or 503.
 * 2. What has arrived of the WAL is stored, the nodes and the receiver stop.
 * 3. The container `postgres-restore` recovers the data of the primary and tells it from the former one, whose rows Redis may hold.
 * 4. Everything starts; the replica copies the primary, and a new base backup begins the new timeline.
 */
export async function restore(production: Production, options: RestoreOptions): Promise<void> {
  const { to, timeline, log } = options
  const { state } = production
  const began = performance.now()
  const step = (line: string) => log(`${((performance.now() - began) / 1000).toFixed(1)} s  ${line}`)
  if (state.failover() !== undefined)
    throw new CommandError('a failover broke off: pnpm prod failover ends it')
  if (!state.hasBackupKey())
    throw new CommandError('there is no key of the backups in the state of this production')
  await checkMoment(production, to)

  await production.compose(['stop', ...APIS, 'worker', 'pgbouncer'])
  step('the APIs, the worker and PgBouncer are stopped')
  await storeWal(production, step)
  await production.compose(['stop', 'backup', ...NODES])
  step('Postgres and the receiver of WAL are stopped')

  const node = state.primary()
  const target = to?.toISOString() ?? ''
  await production.compose(
    ['run', '--rm', '--no-deps', 'postgres-restore', node, target, ...(timeline ? [String(timeline)] : [])],
    { show: true },
  )
  step(`${node} is restored to ${to === undefined ? 'the end of the WAL' : target}`)

  await up(production, { seed: false, build: false, log })
  step('everything runs again')
  await backup(production)
  step('a base backup of the new timeline exists')
}

/** Before anything is stopped. Without a receiver the restore itself reports what is missing. */
async function checkMoment(production: Production, to: Date | undefined): Promise<void> {
  if (to === undefined) return
  if (to.getTime() > Date.now()) throw new CommandError(`${to.toISOString()} lies in the future`)
  const there = await baseBackups(production).catch(() => undefined)
  if (there === undefined || there.some(({ endedAt }) => endedAt <= to)) return
  const list = there.map((each) => `\n  ${describeBackup(each)}`).join('')
  throw new CommandError(`there is no base backup from before ${to.toISOString()}:${list || ' none at all'}`)
}

/** The receiver may be gone with its machine; the restore then ends where the stored WAL ends. */
async function storeWal(production: Production, step: (line: string) => void): Promise<void> {
  const [receiver] = await production.containers('backup')
  try {
    if (receiver === undefined) throw new CommandError('the container backup does not run')
    await docker(['exec', receiver.id, 'backup', 'flush'])
    step('the WAL that has arrived is stored')
  } catch (error) {
    step(`the last WAL could not be stored: ${(error as Error).message.split('\n')[0]}`)
  }
}
