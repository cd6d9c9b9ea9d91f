import { CommandError } from '@reference/cli'
import { docker } from './docker.ts'
import { query, reloadPool, takesWrites } from './postgres.ts'
import type { Production } from './production.ts'
import type { PostgresNode } from './state.ts'
import { waitFor } from './wait-for.ts'

export interface FailoverOptions {
  /** Whether the old primary comes back as a replica at once. */
  rejoin: boolean
  /** Goes on although the primary lives and has what the replica has not received. */
  acceptLoss: boolean
  log: (line: string) => void
}

/**
 * Makes the replica the primary. Each step is safe to take twice: after a failure call it again.
 *
 * 1. The old primary is fenced: by the state it is a replica from now on, and it is stopped. When it still answers, it
 *    stops in order and sends the last WAL first, so that nothing is lost.
 * 2. The replica replays what it has and is promoted.
 * 3. PgBouncer is repointed, checked by a question through it.
 * 4. The old primary comes back as a replica, with a new copy; its old data is set aside.
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
  await waitFor(
    'writes through PgBouncer reach the new primary',
    30_000,
    () => takesWrites(production, next),
    { everyMs: 100 },
  )
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

/** What reads the replica is sent to it: it streams. */
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

  // In this order: one that is killed in between is taken up again.
  state.setFailover(next)
  state.setPrimary(next)
  state.pointAllAtPrimary()
  const out = await production.compose(['ps', '--all', '--quiet', former])
  for (const id of out.split('\n').filter(Boolean)) {
    // One that hangs, or is paused, does not stop in order.
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
    60_000,
    async () =>
      (await query(production, next, 'SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()')) === 't',
    { everyMs: 100 },
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
