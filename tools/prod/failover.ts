import { CommandError } from '@reference/cli'
import { docker } from './docker.ts'
import { query, reloadPool, takesWrites } from './postgres.ts'
import type { Production } from './production.ts'
import type { PostgresNode } from './state.ts'
import { waitFor } from './wait-for.ts'

export interface FailoverOptions {
  /** Start the old primary again as a replica. */
  rejoin: boolean
  /** Continue although the primary responds and has commits that the replica lacks. */
  acceptLoss: boolean
  log: (line: string) => void
}

/**
 * Promotes the replica. Each step can be repeated: after a failure, call it again.
 *
 * 1. Fence the old primary: the state lists it as a replica, and it is stopped. A primary that still responds
 *    stops cleanly and sends its last WAL, so nothing is lost.
 * 2. The replica replays its WAL and is promoted.
 * 3. PgBouncer is pointed at the new primary, and a query through it checks this.
 * 4. The old primary starts as a replica with a new copy. Its old data is kept aside.
 */
export async function failover(production: Production, options: FailoverOptions): Promise<void> {
  const { state } = production
  const { log } = options
  const began = performance.now()
  const step = (line: string) => log(`${((performance.now() - began) / 1000).toFixed(1)} s  ${line}`)
  const next = state.failover() ?? state.replica()
  const former = next === 'postgres-primary' ? 'postgres-replica' : 'postgres-primary'

  const role = await query(production, next, 'SELECT pg_is_in_recovery()').catch(() => undefined)
  if (role === undefined) throw new CommandError(`${next} does not answer: there is nothing to promote`)
  if (role === 'f' && state.failover() === undefined)
    throw new CommandError(`${next} is no replica that could be promoted`)

  if (role === 't') {
    await fence(production, former, next, options.acceptLoss, step)
    await promote(production, next, step)
  } else {
    step(`${next} was promoted by a failover that broke off`)
  }

  await reloadPool(production)
  await waitFor('writes through PgBouncer reach the new primary', () => takesWrites(production, next), {
    timeoutMs: 30_000,
    intervalMs: 100,
  })
  step('writes go through PgBouncer to the new primary')

  if (options.rejoin) {
    await production.compose([
      'up',
      '--detach',
      '--no-build',
      '--no-deps',
      '--wait',
      '--wait-timeout',
      '300',
      former,
    ])
    await useReplica(production)
    step(`${former} is a replica`)
  } else if (state.settings().SYNCHRONOUS_STANDBY_NAMES) {
    step('writes wait for a replica; SYNCHRONOUS_STANDBY_NAMES= pnpm prod up lets them go on without one')
  }
  state.setFailover(undefined)
}

/** Sends reads of the replica to it again, once it streams. */
export async function useReplica(production: Production): Promise<void> {
  production.state.setPrimary(production.state.primary())
  await reloadPool(production)
}

async function fence(
  production: Production,
  former: PostgresNode,
  next: PostgresNode,
  acceptLoss: boolean,
  step: (line: string) => void,
): Promise<void> {
  const { state } = production
  const streams = `SELECT count(*) FROM pg_stat_replication WHERE application_name = '${next}' AND state = 'streaming'`
  const answer = await query(production, former, streams).catch(() => undefined)
  if (answer === '0' && !acceptLoss && state.failover() === undefined)
    throw new CommandError(
      `${former} lives and ${next} does not stream from it: what it has not received would be lost. --accept-loss goes on.`,
    )
  if (answer === undefined) step(`${former} does not answer: what it has committed and not sent is lost`)
  else step(`${former} still answers: it stops in order and sends what it has`)

  // In this order a failover that is killed in between can be completed by the next one.
  state.setFailover(next)
  state.setPrimary(next)
  state.pointAllAtPrimary()
  const out = await production.compose(['ps', '--all', '--quiet', former])
  for (const id of out.split('\n').filter(Boolean)) {
    // A paused container cannot stop cleanly.
    await docker(['unpause', id]).catch(() => {})
    await docker(['stop', '--time', '60', id])
    const code = await docker(['inspect', '--format', '{{.State.ExitCode}}', id])
    if (answer !== undefined && code !== '0')
      step(`${former} did not end in order (${code}): what it had not sent is lost`)
  }
  step(`${former} is stopped, and can only come back as a replica`)
}

async function promote(
  production: Production,
  next: PostgresNode,
  step: (line: string) => void,
): Promise<void> {
  await waitFor(
    'the replica has replayed what it received',
    async () =>
      (await query(production, next, 'SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()')) === 't',
    { timeoutMs: 60_000, intervalMs: 100 },
  )
  const last = await query(
    production,
    next,
    'SELECT pg_last_wal_replay_lsn(), pg_last_xact_replay_timestamp()',
  )
  if ((await query(production, next, 'SELECT pg_promote(true, 60)', 70)) !== 't')
    throw new CommandError(`${next} was not promoted within 60 s`)
  step(`${next} is the primary from ${last.replace('|', ', last transaction ')}`)
}
