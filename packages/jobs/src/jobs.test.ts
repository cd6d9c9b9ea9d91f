import { Registry } from '@prometheus-io/client'
import { drizzle } from 'drizzle-orm/node-postgres'
import t from 'tap'
import { Type } from 'typebox'
import { defineJob } from './definition.ts'
import { double, flaky } from './testing/definitions.ts'
import { createHarness, inState, whenReady } from './testing/harness.ts'

const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000'

t.test('a job is queued, handled and completed with its result', async (t) => {
  const jobs = (await createHarness(t)).open()
  const id = await jobs.enqueue(double, { n: 21 })
  t.same(await jobs.get(id), { id, state: 'queued', progress: 0, attempts: 0, result: null, error: null })
  jobs.work(double, ({ data }) => ({ twice: data.n * 2 }))
  t.same(await inState(jobs, id, 'completed'), {
    id,
    state: 'completed',
    progress: 100,
    attempts: 1,
    result: { twice: 42 },
    error: null,
  })
})

t.test('an unknown or malformed id has no status', async (t) => {
  const jobs = (await createHarness(t)).open()
  for (const id of [UNKNOWN_ID, '', '42', "'; DROP TABLE", `${UNKNOWN_ID}0`, '\u0000']) {
    t.equal(await jobs.get(id), undefined)
    t.equal(await jobs.cancel(id), undefined)
    t.equal(await jobs.retry(id), undefined)
  }
})

t.test('a transaction that rolls back stores no job, one that commits stores it', async (t) => {
  const { open, admin } = await createHarness(t)
  const jobs = open()
  const database = drizzle(admin)
  let lost = ''
  await t.rejects(
    database.transaction(async (tx) => {
      lost = await jobs.enqueue(double, { n: 1 }, { tx: { drizzle: tx } })
      throw new Error('rolled back')
    }),
    { message: 'rolled back' },
  )
  t.equal(await jobs.get(lost), undefined)

  const kept = await database.transaction(async (tx) => {
    const id = await jobs.enqueue(double, { n: 2 }, { tx: { drizzle: tx } })
    t.equal(await jobs.get(id), undefined)
    return id
  })
  t.match(await jobs.get(kept), { state: 'queued' })
})

t.test('a job that its caller has done is stored with its result, and no handler sees it', async (t) => {
  const { open, admin } = await createHarness(t)
  const jobs = open()
  const handled: number[] = []
  jobs.work(double, ({ data }) => {
    handled.push(data.n)
    return { twice: data.n * 2 }
  })
  const id = await jobs.storeCompleted(double, { n: 1 }, { twice: 2 })
  const status = { id, state: 'completed', progress: 100, attempts: 1, result: { twice: 2 }, error: null }
  t.same(await jobs.get(id), status)
  await inState(jobs, await jobs.enqueue(double, { n: 2 }), 'completed')
  t.same(handled, [2])

  let lost = ''
  const rolledBack = drizzle(admin).transaction(async (tx) => {
    lost = await jobs.storeCompleted(double, { n: 3 }, { twice: 6 }, { tx: { drizzle: tx } })
    throw new Error('rolled back')
  })
  await t.rejects(rolledBack, { message: 'rolled back' })
  t.equal(await jobs.get(lost), undefined)
  await t.rejects(jobs.storeCompleted(double, { n: 4 }, { twice: 'x' as unknown as number }), {
    code: 'JOB_RESULT_INVALID',
  })
})

t.test('a payload that the schema refuses is not stored, and each field is named', async (t) => {
  const { open, admin } = await createHarness(t)
  const jobs = open()
  const wrong: unknown[] = [{ n: 'one' }, { n: 1, m: 2 }, {}, [], null, 'text']
  for (const data of wrong) {
    await t.rejects(jobs.enqueue(double, data as { n: number }), {
      code: 'JOB_DATA_INVALID',
      statusCode: 422,
    })
  }
  await t.rejects(jobs.enqueue(double, { n: 'one' as unknown as number }), { errors: [{ field: 'n' }] })
  const { rows } = await admin.query('SELECT count(*)::int AS jobs FROM pgboss.job')
  t.same(rows, [{ jobs: 0 }])
})

t.test('text that Postgres cannot store is refused as invalid data', async (t) => {
  const anything = defineJob({
    name: 'anything',
    data: Type.Object({ text: Type.String() }),
    result: Type.Null(),
  })
  const jobs = (await createHarness(t)).open({ definitions: [anything] })
  for (const text of ['a\u0000b', '\ud800']) {
    await t.rejects(jobs.enqueue(anything, { text }), { code: 'JOB_DATA_INVALID', statusCode: 422 })
  }
})

t.test(
  'a cron job is scheduled once, and unscheduled when its definition loses the expression',
  async (t) => {
    const { open, admin } = await createHarness(t)
    const shape = { name: 'tick', data: Type.Object({}), result: Type.Null() }
    const schedules = async () => {
      const { rows } = await admin.query('SELECT name, cron, timezone FROM pgboss.schedule')
      return rows
    }
    const cron = { expression: '*/5 * * * *', data: {} }
    await whenReady(open({ definitions: [defineJob({ ...shape, cron })] }))
    await whenReady(open({ definitions: [defineJob({ ...shape, cron })] }))
    t.same(await schedules(), [{ name: 'tick', cron: '*/5 * * * *', timezone: 'UTC' }])
    await whenReady(open({ definitions: [defineJob(shape)] }))
    t.same(await schedules(), [])
  },
)

t.test('the settings of a queue follow its definition', async (t) => {
  const { open, admin } = await createHarness(t)
  const shape = { name: 'kept', data: Type.Object({}), result: Type.Null() }
  await whenReady(open({ definitions: [defineJob(shape)] }))
  await whenReady(open({ definitions: [defineJob({ ...shape, retryLimit: 9, deadLetter: false })] }))
  const { rows } = await admin.query(
    "SELECT retry_limit, dead_letter, deletion_seconds, heartbeat_seconds FROM pgboss.queue WHERE name = 'kept'",
  )
  t.same(rows, [{ retry_limit: 9, dead_letter: null, deletion_seconds: 604_800, heartbeat_seconds: 10 }])
})

t.test('jobs are listed newest first, by queue and state', async (t) => {
  const jobs = (await createHarness(t)).open()
  const first = await jobs.enqueue(double, { n: 1 })
  const second = await jobs.enqueue(flaky, { failures: 0 })
  await jobs.cancel(first)
  t.match(await jobs.list(), [
    { id: second, queue: 'flaky' },
    { id: first, queue: 'double' },
  ])
  t.match(await jobs.list({ state: 'cancelled' }), [{ id: first }])
  t.same(await jobs.list({ queue: 'double', state: 'queued' }), [])
  t.equal((await jobs.list({ limit: 1 })).length, 1)
  await t.rejects(jobs.list({ queue: 'duoble' }), {
    code: 'QUEUE_UNKNOWN',
    message: 'There is no queue duoble; there are double, flaky.',
  })
  await t.rejects(jobs.deadLetters('duoble'), { code: 'QUEUE_UNKNOWN' })
})

t.test('the metrics are depths, ages and durations', async (t) => {
  const { open } = await createHarness(t)
  const registry = new Registry()
  const jobs = open({ registry })
  jobs.work(double, ({ data }) => ({ twice: data.n * 2 }))
  await inState(jobs, await jobs.enqueue(double, { n: 1 }), 'completed')
  const text = await registry.metrics()
  t.match(text, 'jobs_duration_seconds_count{queue="double",outcome="completed"} 1')
  t.match(text, 'jobs_queue_depth{queue="flaky",state="ready"} 0')
  t.match(text, 'jobs_oldest_ready_seconds{queue="double"} 0')
  t.match(text, 'jobs_dead_letters 0')
})

t.test('the metrics have the age of the oldest job that waits', async (t) => {
  const { open } = await createHarness(t)
  const registry = new Registry()
  const jobs = open({ registry })
  await jobs.enqueue(double, { n: 1 })
  const ages = registry.getSingleMetric('jobs_oldest_ready_seconds')
  const { values = [] } = (await ages?.get()) ?? {}
  t.ok((values.find(({ labels }) => labels.queue === 'double')?.value ?? 0) > 0)
})
