import { CommandError } from '@reference/cli'
import { createBackupKey } from './backup.ts'
import { recover } from './deploy.ts'
import { docker } from './docker.ts'
import { useReplica } from './failover.ts'
import { build, isThere } from './images.ts'
import { takesWrites } from './postgres.ts'
import { APIS, type Production } from './production.ts'
import { waitFor } from './wait-for.ts'

export interface UpOptions {
  seed: boolean
  build: boolean
  log: (line: string) => void
}

/** Creates missing secrets and images, starts everything and waits for health; `seed` fills an empty database. */
export async function up(production: Production, options: UpOptions): Promise<void> {
  const { state } = production
  state.create()
  if (state.failover() !== undefined)
    throw new CommandError('a failover broke off: pnpm prod failover ends it')
  remember(production)
  await recover(production, options.log)
  if (options.build) await buildWhatIsMissing(production)
  await createBackupKey(production)
  await startPostgres(production)
  // One-shot services end; --wait applies to the ones that keep running.
  await production.compose(
    ['up', '--detach', '--no-build', '--remove-orphans', '--wait', '--wait-timeout', '300'],
    { show: true },
  )
  await useReplica(production)
  if (options.seed) {
    await production.compose(['run', '--rm', '--no-deps', 'migrate', 'node', 'dist/reference-api/seed.js'], {
      show: true,
    })
  }
}

/**
 * Runs before the migrations, which could otherwise fail: the primary may be either node, and a recreated container has another address,
 * which PgBouncer learns seconds later.
 */
async function startPostgres(production: Production): Promise<void> {
  const nodes = ['postgres-primary', 'postgres-replica']
  const containers = () => production.compose(['ps', '--all', '--quiet', ...nodes])
  const before = await containers()
  const line = ['up', '--detach', '--no-build', '--no-deps', ...nodes, 'pgbouncer']
  await production.compose(line, { show: true })
  // Recreated nodes may have swapped addresses. PgBouncer resolves a name only when it opens a connection, so it could use the
  // replica as if it were the primary: restart it. Its transactions ended with the nodes.
  if (before !== '' && (await containers()) !== before)
    await production.compose(['restart', '--timeout', '3', 'pgbouncer'])
  await waitFor(
    'writes through PgBouncer reach the primary',
    () => takesWrites(production, production.state.primary()),
    { timeoutMs: 120_000 },
  )
}

/** Stores these settings: a later command without them would make acknowledged writes less safe, or stop observers or traces. */
function remember(production: Production): void {
  const { SYNCHRONOUS_STANDBY_NAMES: names, OBSERVABILITY: observability, TRACES: traces } = process.env
  if (observability !== undefined && !['on', 'off'].includes(observability))
    throw new CommandError(`OBSERVABILITY is on or off, not ${observability}`)
  if (traces !== undefined && !isShare(traces))
    throw new CommandError(`TRACES is a share of requests from 0 to 1, not ${traces}`)
  if (names !== undefined) production.state.set('SYNCHRONOUS_STANDBY_NAMES', names)
  if (observability !== undefined) production.state.set('OBSERVABILITY', observability)
  // Empty turns traces off: the compose file tests whether the variable is empty.
  if (traces !== undefined) production.state.set('TRACES', Number(traces) === 0 ? '' : traces)
}

const isShare = (text: string) => /^[\d.]+$/.test(text) && Number(text) <= 1

/**
 * Once deployed, a release is kept; changed sources go live only by a deploy. Before the first deploy there is no release,
 * and images are built from the sources, unless replicas run: new images would stop all of them at once.
 */
async function buildWhatIsMissing(production: Production): Promise<void> {
  const { TAG: release } = production.state.settings()
  const tag = release ?? 'local'
  const images = await Promise.all(APIS.map((api) => isThere(`${api}:${tag}`)))
  const running = await Promise.all(APIS.map((api) => production.containers(api)))
  const keep = release !== undefined || running.flat().length > 0
  if (!keep || images.includes(false)) await build(production, tag)
  await production.compose(['build', 'pgbouncer', 'backup'], { show: true })
}

/** @param options.volumes also removes the data; secrets stay */
export async function down(production: Production, options: { volumes: boolean }): Promise<void> {
  // Compose does not treat replicas of an interrupted deploy as orphans.
  await production.compose(['down', '--remove-orphans', ...(options.volumes ? ['--volumes'] : [])], {
    show: true,
  })
  if (production.state.exists()) production.state.setDeployment(undefined)
}

/** Whether this production has containers, running or not. */
export async function isAnythingThere(production: Production): Promise<boolean> {
  const label = `label=com.docker.compose.project=${production.project}`
  return (await docker(['ps', '--all', '--quiet', '--filter', label])) !== ''
}
