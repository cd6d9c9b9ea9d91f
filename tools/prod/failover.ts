import { docker } from './docker.ts'
import { Failure } from './failure.ts'
import { query, queryThroughPool, reloadPool } from './postgres.ts'
import type { Production } from './production.ts'
import { waitFor } from './wait-for.ts'

/**
 * Makes the replica the primary. Each step is safe to take twice: after a failure call it again.
 *
 * 1. The old primary is fenced: by the state it is a replica from now on, and it is stopped. When it still answers, it
 *    stops in order and sends the last WAL first, so that nothing is lost.
 * 2. The replica replays what it has and is promoted.
 * 3. PgBouncer is repointed, checked by a write through it.
 * 4. The old primary comes back as a replica, with a new copy; its old data is set aside.
 */
export async function failover(
  production: Production,
  options: { rejoin: boolean; log: (line: string) => void },
): Promise<void> {
  const { state } = production
  const { log } = options
  const began = performance.now()
  const step = (line: string) => log(`${((performance.now() - began) / 1000).toFixed(1)} s  ${line}`)
  const interrupted = await query(production, state.primary(), 'SELECT pg_is_in_recovery()').catch(
    () => 'away',
  )
  // Once more after a failure: the state says already who is to be the primary, and it is not yet.
  const next = interrupted === 't' ? state.primary() : state.replica()
  const former = next === 'postgres-primary' ? 'postgres-replica' : 'postgres-primary'

  const inRecovery = await query(production, next, 'SELECT pg_is_in_recovery()').catch(() => undefined)
  if (inRecovery !== 't') throw new Failure(`${next} is no replica that could be promoted`)

  const alive = await query(production, former, 'SELECT 1').catch(() => undefined)
  state.setPrimary(next)
  state.pointAllAtPrimary()
  if (alive === '1') step(`${former} still answers: it stops in order and sends what it has`)
  else step(`${former} does not answer: what it has committed and not sent is lost`)
  await fence(production, former)
  step(`${former} is stopped, and can only come back as a replica`)

  await waitFor(
    'the replica has replayed what it received',
    60_000,
    async () =>
      (await query(production, next, 'SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()')) === 't',
    100,
  )
  const last = await query(
    production,
    next,
    'SELECT pg_last_wal_replay_lsn(), pg_last_xact_replay_timestamp()',
  )
  if ((await query(production, next, 'SELECT pg_promote(true, 60)')) !== 't')
    throw new Failure(`${next} was not promoted within 60 s`)
  step(`${next} is the primary from ${last.replace('|', ', last transaction ')}`)

  await reloadPool(production)
  await waitFor(
    'writes through PgBouncer reach the new primary',
    30_000,
    async () => {
      const where = await queryThroughPool(production, next, 'reference', 'SELECT pg_is_in_recovery()').catch(
        () => '',
      )
      return where === 'f'
    },
    100,
  )
  step('writes go through PgBouncer to the new primary')

  if (!options.rejoin) return
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
  state.setPrimary(next)
  await reloadPool(production)
  step(`${former} is a replica`)
}

async function fence(production: Production, former: string): Promise<void> {
  const out = await production.compose(['ps', '--all', '--quiet', former])
  for (const id of out.split('\n').filter(Boolean)) {
    // One that hangs, or is paused, does not stop in order.
    await docker(['unpause', id]).catch(() => {})
    await docker(['stop', '--time', '30', id])
  }
}
