import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { holdsWithin } from '../testing/load.ts'
import { report, theProduction } from './production.ts'
import { breaking, containerId, replicaStreams, writable } from './stores.ts'

const { production, docker, prod, startProd, ask } = theProduction()

/** Both nodes start anew with the setting; images stay as they are. */
const upWith = (names: string) => startProd(['up', '--no-build'], { SYNCHRONOUS_STANDBY_NAMES: names }).ended

const steps = (output: string) => output.split('\n').filter((text) => / s {2}/.test(text))

t.test('with SYNCHRONOUS_STANDBY_NAMES the primary waits for its replica', async (t) => {
  const { code, output } = await upWith('*')
  t.equal(code, 0, output.slice(-2000))
  t.ok(await holdsWithin(replicaStreams, 60_000))
  t.equal(
    await ask(`SELECT sync_state FROM pg_stat_replication WHERE application_name LIKE 'postgres-%'`),
    'sync',
  )
})

t.test('the primary is killed while writes are in flight: nothing acknowledged is lost', async (t) => {
  const seen = await breaking(
    t,
    'synchronous: primary killed, then failover',
    async () => {
      await docker(['kill', await containerId(production.state.primary())])
      const { code, output } = await prod('failover')
      t.equal(code, 0, output)
      for (const line of steps(output)) report(line)
    },
    writable,
  )
  t.ok(seen.failedWrites > 0, 'writes were in flight')
  t.ok(await holdsWithin(replicaStreams, 60_000), 'the former primary is a replica')
  t.equal(
    await ask(`SELECT sync_state FROM pg_stat_replication WHERE application_name LIKE 'postgres-%'`),
    'sync',
    'the primary waits for it without another command',
  )
})

t.test('without the replica, writes wait and none is acknowledged', async (t) => {
  const id = await containerId(production.state.replica())
  const seen = await breaking(
    t,
    'synchronous: Postgres replica killed, back after 8 s',
    async (ledger) => {
      await docker(['kill', id])
      // Writes that the replica has acknowledged may still be on their way to the client.
      await sleep(1000)
      const before = ledger.acknowledged
      await sleep(7000)
      t.equal(ledger.acknowledged, before, 'no write is acknowledged')
      await docker(['start', id])
    },
    async () => (await replicaStreams()) && (await writable()),
  )
  t.ok(seen.failedWrites > 0)
  for (const status of seen.writeStatuses)
    t.ok([502, 503, 504].includes(status), `a clear error, not ${status}`)
})

// Without the setting, writes that are acknowledged while the replica hangs would be lost with the primary.
t.test('the replica hangs, then the primary dies: nothing acknowledged is lost', async (t) => {
  await breaking(
    t,
    'synchronous: replica hung for 3 s, primary killed, then failover',
    async () => {
      const [primary, replica] = [
        await containerId(production.state.primary()),
        await containerId(production.state.replica()),
      ]
      await docker(['pause', replica])
      await sleep(3000)
      await docker(['kill', primary])
      await docker(['unpause', replica])
      const { code, output } = await prod('failover')
      t.equal(code, 0, output)
    },
    writable,
  )
  t.ok(await holdsWithin(replicaStreams, 60_000))
})

t.test('an empty value makes it asynchronous again', async (t) => {
  const { code, output } = await upWith('')
  t.equal(code, 0, output.slice(-2000))
  t.ok(await holdsWithin(replicaStreams, 60_000))
  t.equal(
    await ask(`SELECT sync_state FROM pg_stat_replication WHERE application_name LIKE 'postgres-%'`),
    'async',
  )
})
