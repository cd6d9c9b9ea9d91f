import { chmodSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { audit, type Ledger, startLedger } from '../testing/ledger.ts'
import { holdsWithin, send } from '../testing/load.ts'
import { report, theProduction } from './production.ts'
import { containerId, replicaStreams, writable } from './stores.ts'

const { production, origin, authorization, docker, prod, startProd, ask } = theProduction()

const USERS = [1, 2, 3]

/** Acknowledged writes of a few seconds. */
async function writeFor(ms: number): Promise<Ledger> {
  const ledger = startLedger(origin, authorization)
  await sleep(ms)
  await ledger.stop()
  return ledger
}

// part:jobs
async function enqueue(data: object): Promise<string> {
  const call = { method: 'POST', path: '/process-data', headers: authorization, body: data } as const
  const { status, body } = await send(origin, call)
  if (status !== 202) throw new Error(`the job was refused: ${status} ${body}`)
  return (JSON.parse(body) as { jobId: string }).jobId
}
// end:jobs

const nameOf = async (user: number) =>
  (JSON.parse((await send(origin, { path: `/users/${user}` })).body) as { name: string }).name

const rename = async (user: number, name: string) =>
  (await send(origin, { method: 'PATCH', path: `/users/${user}`, headers: authorization, body: { name } }))
    .status

const inArchive = (command: string) => production.exec('backup', ['bash', '-c', command])

async function restored(t: Test, ...args: string[]): Promise<void> {
  const began = performance.now()
  const { code, output } = await prod('restore', ...args)
  t.equal(code, 0, output.slice(-3000))
  for (const line of output
    .split('\n')
    .filter((text) => /^[\d.]+ s {2}|^restore:|recovery stopping/.test(text)))
    report(line.slice(0, 160))
  report(`restored in ${Math.round((performance.now() - began) / 1000)} s`)
  t.ok(await holdsWithin(writable, 60_000), 'it takes writes')
  t.ok(await holdsWithin(replicaStreams, 120_000), 'the replica was built anew')
}

t.test(
  'after the loss of the primary’s volume, every write up to a moment is there and none after',
  async (t) => {
    const first = await prod('backup')
    t.equal(first.code, 0, first.output)
    t.match(first.output, /^\d{8}T\d{6}Z {2}restorable from \S+ on, timeline 1, [\d.]+ MiB$/m)
    const [installation, ledger] = [await ask('SELECT id FROM installation'), await writeFor(4000)]
    const kept = await enqueue({ when: 'before' }) // part:jobs
    const moment = await ask(
      `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`,
    )
    // The moment has milliseconds.
    await sleep(50)

    for (const user of USERS) t.equal(await rename(user, 'after'), 200)
    const lost = await enqueue({ when: 'after' }) // part:jobs
    for (const user of USERS) {
      const isCached = async () => (await nameOf(user)) === 'after'
      t.ok(await holdsWithin(isCached, 10_000), 'the cache holds the later row')
    }

    const node = production.state.primary()
    await docker(['rm', '--force', await containerId(node)])
    await docker(['volume', 'rm', `${production.project}_${node}`])
    await restored(t, '--to', moment)

    const { lost: missing, stale } = await audit(ledger, origin, ask)
    t.same(missing, [], `of ${ledger.acknowledged} acknowledged writes none is lost`)
    t.same(stale, [], 'no read is newer or older than the database')
    report(
      `restored to ${moment}: ${ledger.acknowledged} acknowledged writes, ${missing.length} of them lost`,
    )
    for (const user of USERS)
      t.match(await nameOf(user), /^ledger-\d+$/, 'although Redis has had the later row')
    t.not(await ask('SELECT id FROM installation'), installation, 'the keys in Redis have another prefix')
    // part:jobs
    const isDone = async () =>
      (
        JSON.parse((await send(origin, { path: `/jobs/${kept}`, headers: authorization })).body) as {
          state: string
        }
      ).state === 'completed'
    t.ok(await holdsWithin(isDone, 90_000), 'a job from before the moment is done')
    t.equal(
      (await send(origin, { path: `/jobs/${lost}`, headers: authorization })).status,
      404,
      'a later one does not exist',
    )
    // end:jobs
    t.equal(await rename(1, 'written after the restore'), 200)
    t.equal(await nameOf(1), 'written after the restore')
    const ghosts = `created_at <= '${moment}' OR cache NOT IN (SELECT id FROM cache_registrations)`
    t.equal(
      await ask(`SELECT count(*) FROM cache_outbox WHERE ${ghosts}`),
      '0',
      'the outbox has no row for a cache from before',
    )
  },
)

t.test('a failover leaves no gap, and without a moment nothing that was acknowledged is lost', async (t) => {
  const before = await writeFor(2000)
  const failover = await prod('failover')
  t.equal(failover.code, 0, failover.output)
  const isReceived = async () =>
    (await ask(`SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'backup' AND active`)) === '1'
  t.ok(await holdsWithin(isReceived, 60_000), 'the WAL of the new primary is received')
  const ledger = await writeFor(3000)
  await restored(t)
  const { lost, stale } = await audit(ledger, origin, ask)
  t.same([...lost, ...stale], [])
  for (const order of before.orders)
    if ((await ask(`SELECT 1 FROM orders WHERE id = ${order}`)) !== '1') t.fail(`order ${order} is lost`)
  report(
    `after a failover: ${before.acknowledged + ledger.acknowledged} acknowledged writes, ${lost.length} lost`,
  )
})

t.test(
  'what is stored is encrypted, and another key, a moment outside of it and an old release are refused',
  async (t) => {
    const heads = await inArchive(
      'for f in /backups/wal/* /backups/base/*/*.age; do head -c 21 "$f"; echo; done | sort | uniq -c',
    )
    t.match(heads, /^ *\d+ age-encryption\.org\/v1$/, 'every file')
    for (const [moment, reason] of [
      ['2020-01-01T00:00:00Z', /no base backup from before/],
      ['2999-01-01T00:00:00Z', /lies in the future/],
    ] as const) {
      const { code, output } = await prod('restore', '--to', moment)
      t.equal(code, 1)
      t.match(output, reason)
    }
    t.ok(await writable(), 'nothing was stopped for it')

    const folder = t.testdir({ identity: '' })
    const identity = (await docker(['run', '--rm', '--entrypoint', 'age-keygen', 'reference/backup:18']))
      .split('\n')
      .find((line) => line.startsWith('AGE'))
    writeFileSync(`${folder}/identity`, `${identity}\n`)
    chmodSync(folder, 0o755)
    const rows = await ask('SELECT count(*) FROM orders')
    const wrong = await startProd(['restore'], { BACKUP_IDENTITY_FILE: `${folder}/identity` }).ended
    t.equal(wrong.code, 1)
    t.match(wrong.output, /no identity matched/)
    t.equal((await prod('up', '--no-build')).code, 0)
    t.equal(await ask('SELECT count(*) FROM orders'), rows, 'the data is as it was')
  },
)

t.test('old backups are deleted by the rule, with the WAL that only they need', async (t) => {
  const wal = () => inArchive('ls /backups/wal | grep -c "^[0-9A-F]\\{24\\}" || true')
  const before = Number(await wal())
  const script =
    'for i in 1 2; do psql -qtA -U postgres -c "SELECT pg_switch_wal()" >/dev/null; sleep 1; done'
  await production.exec(production.state.primary(), ['bash', '-c', script])
  await prod('backup')
  const { code, stderr } = await inArchive('BACKUP_KEEP=1 backup base 2>&1').then(
    (stderr) => ({ code: 0, stderr }),
    (error: Error) => ({ code: 1, stderr: error.message }),
  )
  t.equal(code, 0, stderr)
  t.match(stderr, /deleted the base backup/)
  t.equal((await inArchive('backup list')).split('\n').length, 1)
  t.ok(Number(await wal()) < before, `${before} segments before, ${await wal()} after`)
  await restored(t)
})
