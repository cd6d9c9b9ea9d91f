import { drizzle } from 'drizzle-orm/node-postgres'
import t from 'tap'
import { Type } from 'typebox'
import { defineJob } from './definition.ts'
import { double } from './testing/definitions.ts'
import { createHarness, inState } from './testing/harness.ts'

const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000'

const latest = defineJob({
  name: 'latest',
  data: Type.Object({ version: Type.Integer() }),
  result: Type.Object({ version: Type.Integer() }),
  retryDelaySeconds: 0,
})
const serial = defineJob({
  name: 'serial',
  data: Type.Object({ version: Type.Integer() }),
  result: Type.Object({ version: Type.Integer() }),
  singleActive: true,
})
const definitions = [latest, serial]
const replace = { key: 'product 7', onDuplicate: 'replace' } as const

t.test('an id or a key enqueues once', async (t) => {
  const { open, admin } = await createHarness(t)
  const jobs = open()
  t.equal(await jobs.enqueue(double, { n: 1 }, { id: UNKNOWN_ID }), UNKNOWN_ID)
  t.equal(await jobs.enqueue(double, { n: 2 }, { id: UNKNOWN_ID }), UNKNOWN_ID)
  const first = await jobs.enqueue(double, { n: 3 }, { key: 'order 7' })
  t.equal(await jobs.enqueue(double, { n: 4 }, { key: 'order 7' }), first)
  t.not(await jobs.enqueue(double, { n: 4 }, { key: 'order 8' }), first)
  const { rows } = await admin.query("SELECT data FROM pgboss.job WHERE name = 'double' ORDER BY created_on")
  t.same(rows, [{ data: { n: 1 } }, { data: { n: 3 } }, { data: { n: 4 } }])
  await t.rejects(jobs.enqueue(double, { n: 1 }, { id: 'seven' }), { code: 'JOB_DATA_INVALID' })
})

t.test('with replace, a waiting job of the key takes the latest data and keeps its id', async (t) => {
  const jobs = (await createHarness(t)).open({ definitions })
  const id = await jobs.enqueue(latest, { version: 1 }, replace)
  t.equal(await jobs.enqueue(latest, { version: 2 }, replace), id)
  t.equal(await jobs.enqueue(latest, { version: 3 }, replace), id)
  const other = await jobs.enqueue(latest, { version: 9 }, { ...replace, key: 'product 8' })
  t.not(other, id)
  const handled: number[] = []
  jobs.work(latest, ({ data }) => {
    handled.push(data.version)
    return data
  })
  t.match(await inState(jobs, id, 'completed'), { result: { version: 3 } })
  await inState(jobs, other, 'completed')
  t.same(handled.sort(), [3, 9], 'one run a key')
})

t.test(
  'with replace, a job that runs or has ended is left alone, and the new one runs as well',
  async (t) => {
    const jobs = (await createHarness(t)).open({ definitions })
    const { promise: finish, resolve } = Promise.withResolvers<void>()
    jobs.work(latest, async ({ data }) => {
      if (data.version === 1) await finish
      return data
    })
    const first = await jobs.enqueue(latest, { version: 1 }, replace)
    await inState(jobs, first, 'active')
    const second = await jobs.enqueue(latest, { version: 2 }, replace)
    t.not(second, first)
    await inState(jobs, second, 'completed')
    resolve()
    t.match(await inState(jobs, first, 'completed'), { result: { version: 1 } })
    const third = await jobs.enqueue(latest, { version: 3 }, replace)
    t.notOk([first, second].includes(third))
    t.match(await inState(jobs, third, 'completed'), { result: { version: 3 } })
  },
)

t.test('with replace, a job that waits for its retry takes the latest data too', async (t) => {
  const { open, admin } = await createHarness(t)
  const jobs = open({ definitions })
  const failed = await jobs.enqueue(latest, { version: 1 }, replace)
  await admin.query("UPDATE pgboss.job SET state = 'retry', retry_count = 1 WHERE id = $1", [failed])
  t.equal(await jobs.enqueue(latest, { version: 2 }, replace), failed)

  // A second one waits beside it when the first was active at the time of the call.
  await admin.query("UPDATE pgboss.job SET state = 'active' WHERE id = $1", [failed])
  const queued = await jobs.enqueue(latest, { version: 3 }, replace)
  await admin.query("UPDATE pgboss.job SET state = 'retry' WHERE id = $1", [failed])
  await jobs.enqueue(latest, { version: 4 }, replace)
  jobs.work(latest, ({ data }) => data)
  for (const id of [failed, queued])
    t.match(await inState(jobs, id, 'completed'), { result: { version: 4 } }, 'no older data runs')
})

t.test('with replace, a start time moves with each call, and a call without one keeps it', async (t) => {
  const { open, admin } = await createHarness(t)
  const jobs = open({ definitions })
  const startOf = async (id: string) => {
    const { rows } = await admin.query('SELECT start_after AS at, priority FROM pgboss.job WHERE id = $1', [
      id,
    ])
    return rows[0]
  }
  const [soon, later] = [new Date(Date.now() + 60_000), new Date(Date.now() + 90_000)]
  const id = await jobs.enqueue(latest, { version: 1 }, { ...replace, startAfter: soon, priority: 2 })
  await jobs.enqueue(latest, { version: 2 }, { ...replace, startAfter: later })
  t.same(await startOf(id), { at: later, priority: 2 })
  await jobs.enqueue(latest, { version: 3 }, { ...replace, priority: 5 })
  t.same(await startOf(id), { at: later, priority: 5 })
})

t.test('with replace, a transaction that rolls back leaves the waiting job as it was', async (t) => {
  const { open, admin } = await createHarness(t)
  const jobs = open({ definitions })
  const id = await jobs.enqueue(latest, { version: 1 }, replace)
  const change = drizzle(admin).transaction(async (tx) => {
    t.equal(await jobs.enqueue(latest, { version: 2 }, { ...replace, tx: { drizzle: tx } }), id)
    throw new Error('rolled back')
  })
  await t.rejects(change, { message: 'rolled back' })
  await drizzle(admin).transaction((tx) =>
    jobs.enqueue(latest, { version: 7 }, { key: 'product 8', onDuplicate: 'replace', tx: { drizzle: tx } }),
  )
  const { rows } = await admin.query("SELECT data FROM pgboss.job WHERE name = 'latest' ORDER BY created_on")
  t.same(rows, [{ data: { version: 1 } }, { data: { version: 7 } }])
})

t.test('with replace, concurrent callers and workers lose no latest data', async (t) => {
  const { open, admin } = await createHarness(t)
  const [first, second] = [open({ definitions }), open({ definitions })]
  const handled = new Set<number>()
  for (const jobs of [first, second]) {
    jobs.work(
      latest,
      ({ data }) => {
        handled.add(data.version)
        return data
      },
      { concurrency: 4 },
    )
  }
  const VERSIONS = 200
  const ids = new Map<number, string>()
  let version = 0
  const caller = async (jobs: typeof first) => {
    while (version < VERSIONS) {
      const own = ++version
      ids.set(own, await jobs.enqueue(latest, { version: own }, replace))
    }
  }
  await Promise.all([first, second, first, second].map(caller))
  t.equal(ids.size, VERSIONS, 'each call gave an id')
  for (const id of new Set(ids.values())) await inState(first, id, 'completed')

  // Alone after the others: no later call can have replaced it.
  const last = await second.enqueue(latest, { version: VERSIONS + 1 }, replace)
  t.match(await inState(first, last, 'completed'), { result: { version: VERSIONS + 1 } })
  t.ok(handled.has(VERSIONS + 1))
  const { rows } = await admin.query("SELECT count(*)::int AS jobs FROM pgboss.job WHERE name = 'latest'")
  t.equal(rows[0].jobs, handled.size, 'each job ran with data of its own')
  t.equal(rows[0].jobs, new Set([...ids.values(), last]).size, 'no job but those whose id a caller has')
})

t.test('with replace, a single-active job runs once at a time for each key', async (t) => {
  const jobs = (await createHarness(t)).open({ definitions })
  const { promise: finish, resolve } = Promise.withResolvers<void>()
  const ended: number[] = []
  jobs.work(serial, async ({ data }) => {
    if (data.version === 1) await finish
    ended.push(data.version)
    return data
  })
  const first = await jobs.enqueue(serial, { version: 1 }, replace)
  await inState(jobs, first, 'active')
  const second = await jobs.enqueue(serial, { version: 2 }, replace)
  const other = await jobs.enqueue(serial, { version: 9 }, { ...replace, key: 'product 8' })
  await inState(jobs, other, 'completed')
  t.match(await jobs.get(second), { state: 'queued' }, 'it waits for the first of its key')
  resolve()
  await inState(jobs, second, 'completed')
  t.same(ended, [9, 1, 2])
})

t.test('replace needs a key and no id, and refuses the data that the schema refuses', async (t) => {
  const jobs = (await createHarness(t)).open({ definitions })
  await t.rejects(jobs.enqueue(latest, { version: 1 }, { onDuplicate: 'replace' }), TypeError)
  await t.rejects(jobs.enqueue(latest, { version: 1 }, { ...replace, id: UNKNOWN_ID }), TypeError)
  const id = await jobs.enqueue(latest, { version: 1 }, replace)
  await t.rejects(jobs.enqueue(latest, { version: 'two' as unknown as number }, replace), {
    code: 'JOB_DATA_INVALID',
  })
  t.match(await jobs.get(id), { state: 'queued' })
})
