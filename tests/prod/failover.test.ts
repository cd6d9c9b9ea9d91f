import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { holdsWithin } from '../testing/load.ts'
import { report, theProduction } from './production.ts'
import { breaking, containerId, replicaStreams, writable } from './stores.ts'

const { production, docker, prod, startProd, ask } = theProduction()

const runs = async (service: string) =>
  (await docker(['inspect', '--format', '{{.State.Running}}', await containerId(service)])) === 'true'

t.test('a failover that would lose writes is refused', async (t) => {
  const primary = production.state.primary()
  await ask('ALTER ROLE replicator NOLOGIN')
  await ask('SELECT pg_terminate_backend(pid) FROM pg_stat_replication')
  t.ok(await holdsWithin(async () => !(await replicaStreams()), 10_000))
  const { code, output } = await prod('failover')
  t.equal(code, 1)
  t.match(output, /lives and postgres-\w+ does not stream from it: .* --accept-loss goes on/)
  t.equal(production.state.primary(), primary)
  t.ok(await writable())
  await ask('ALTER ROLE replicator LOGIN')
  t.ok(await holdsWithin(replicaStreams, 60_000))
})

t.test('the next failover completes a failover that was killed after the promotion', async (t) => {
  const before = production.state.primary()
  await breaking(
    t,
    'failover killed after the promotion, then called again',
    async () => {
      const first = startProd(['failover'])
      await first.printed('is the primary from')
      first.child.kill('SIGKILL')
      await first.ended
      const up = await prod('up', '--no-build')
      t.equal(up.code, 1)
      t.match(up.output, 'a failover broke off: pnpm prod failover ends it')
      const { code, output } = await prod('failover')
      t.equal(code, 0, output)
      t.match(output, 'was promoted by a failover that broke off')
    },
    writable,
  )
  t.not(production.state.primary(), before)
  t.ok(await holdsWithin(replicaStreams, 60_000), 'the former primary is a replica')
})

t.test('a primary that hangs is fenced before the replica is promoted', async (t) => {
  const former = production.state.primary()
  await breaking(
    t,
    'primary hung, then failover --no-rejoin',
    async () => {
      await docker(['pause', await containerId(former)])
      await sleep(1000)
      const { code, output } = await prod('failover', '--no-rejoin')
      t.equal(code, 0, output)
      for (const line of output.split('\n').filter((text) => / s {2}/.test(text))) report(line)
      t.notOk(await runs(former), 'the former primary does not run')
    },
    writable,
    { mayLose: 16 },
  )
  t.equal(await ask(`SELECT count(*) FROM pg_stat_replication WHERE application_name LIKE 'postgres-%'`), '0')
  const { code, output } = await prod('up', '--no-build')
  t.equal(code, 0, output.slice(-2000))
  t.ok(await replicaStreams(), 'up has made it a replica')
  t.match(await databases(), `reference_replica = host=${former} `, 'lists read from it again')
})

/** PgBouncer's file of databases. */
function databases(): Promise<string> {
  return production.exec('pgbouncer', ['cat', '/etc/pgbouncer/databases.ini'])
}
