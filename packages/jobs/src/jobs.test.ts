import { once } from 'node:events'
import { drizzle } from 'drizzle-orm/node-postgres'
import { Registry } from 'prom-client'
import t from 'tap'
import { Type } from 'typebox'
import { defineJob } from './definition.ts'
import { JobPermanentError } from './errors.ts'
import { double, flaky } from './fixtures/definitions.ts'
import { harness, inState } from './fixtures/harness.ts'
import { until } from './fixtures/until.ts'

const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000'

t.test('a job is queued, worked on and completed with its result', async (t) => {
  const jobs = (await harness(t)).open()
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
  const jobs = (await harness(t)).open()
  for (const id of [UNKNOWN_ID, '', '42', "'; DROP TABLE", `${UNKNOWN_ID}0`, '\u0000']) {
    t.equal(await jobs.get(id), undefined)
    t.equal(await jobs.cancel(id), undefined)
    t.equal(await jobs.retry(id), undefined)
  }
})

t.test('the progress of an active job is read while it runs', async (t) => {
  const jobs = (await harness(t)).open()
  const { promise: finish, resolve } = Promise.withResolvers<void>()
  jobs.work(double, async ({ data, progress }) => {
    progress(10)
    progress(40.7)
    await finish
    progress(400)
    return { twice: data.n * 2 }
  })
  const id = await jobs.enqueue(double, { n: 1 })
  const seen = await until('progress 40', async () => {
    const status = await jobs.get(id)
    return status?.progress === 40 && status
  })
  t.match(seen, { state: 'active', attempts: 1, result: null })
  resolve()
  t.match(await inState(jobs, id, 'completed'), { progress: 100, result: { twice: 2 } })
})

t.test('a transaction that rolls back leaves no job, one that commits leaves it', async (t) => {
  const { open, admin } = await harness(t)
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

t.test('an id or a key enqueues once', async (t) => {
  const { open, admin } = await harness(t)
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

t.test('a payload that the schema refuses is not stored, and each field is named', async (t) => {
  const { open, admin } = await harness(t)
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

t.test('text that Postgres cannot hold is refused as a fault of the payload', async (t) => {
  const anything = defineJob({
    name: 'anything',
    data: Type.Object({ text: Type.String() }),
    result: Type.Null(),
  })
  const jobs = (await harness(t)).open({ definitions: [anything] })
  for (const text of ['a\u0000b', '\ud800']) {
    await t.rejects(jobs.enqueue(anything, { text }), { code: 'JOB_DATA_INVALID', statusCode: 422 })
  }
})

t.test('a stored payload that the schema refuses fails at once', async (t) => {
  const { open, admin } = await harness(t)
  const jobs = open()
  const id = await jobs.enqueue(double, { n: 1 })
  await admin.query(`UPDATE pgboss.job SET data = '{"n":"old"}' WHERE id = $1`, [id])
  jobs.work(double, () => {
    t.fail('the handler must not run')
    return { twice: 0 }
  })
  t.match(await inState(jobs, id, 'failed'), { attempts: 1, error: 'Job double: n must be integer.' })
})

t.test('a result that the schema refuses fails at once', async (t) => {
  const jobs = (await harness(t)).open()
  jobs.work(double, () => ({ twice: 1.5 }))
  const id = await jobs.enqueue(double, { n: 1 })
  t.match(await inState(jobs, id, 'failed'), { attempts: 1, error: /twice must be integer/ })
})

t.test('a handler that fails is tried again until it does not', async (t) => {
  const jobs = (await harness(t)).open()
  jobs.work(flaky, ({ data, attempt }) => {
    if (attempt <= data.failures) throw new Error('not yet')
    return { attempt }
  })
  const id = await jobs.enqueue(flaky, { failures: 1 })
  t.match(await inState(jobs, id, 'retrying'), { attempts: 1, error: 'not yet' })
  t.match(await inState(jobs, id, 'completed'), { attempts: 2, result: { attempt: 2 }, error: null })
})

t.test('a job without attempts left fails, lies among the dead letters, and can be sent again', async (t) => {
  const { open, admin } = await harness(t)
  const jobs = open()
  const deadLetters = async () => {
    const { rows } = await admin.query(
      "SELECT data, source_id AS source FROM pgboss.job WHERE name = 'dead-letter'",
    )
    return rows
  }
  let broken = true
  jobs.work(flaky, ({ attempt }) => {
    if (broken) throw new Error('out of order')
    return { attempt }
  })
  const id = await jobs.enqueue(flaky, { failures: 9 })
  const failed = await inState(jobs, id, 'failed')
  t.match(failed, { attempts: 3, error: 'out of order', result: null })
  t.notMatch(failed.error, 'at ', 'no stack')
  t.same(await deadLetters(), [{ data: { failures: 9 }, source: id }])

  broken = false
  await jobs.retry(id)
  t.match(await inState(jobs, id, 'completed'), { attempts: 4 })
  t.same(await deadLetters(), [])
})

t.test('a permanent failure is not tried again', async (t) => {
  const jobs = (await harness(t)).open()
  jobs.work(flaky, () => {
    throw new JobPermanentError('this cannot work')
  })
  const id = await jobs.enqueue(flaky, { failures: 0 })
  t.match(await inState(jobs, id, 'failed'), { attempts: 1, error: 'this cannot work' })
})

t.test('a queued job that is cancelled never runs, and can be sent again', async (t) => {
  const jobs = (await harness(t)).open()
  const id = await jobs.enqueue(double, { n: 1 })
  t.match(await jobs.cancel(id), { state: 'cancelled', attempts: 0 })
  const next = await jobs.enqueue(double, { n: 2 })
  jobs.work(double, ({ data }) => ({ twice: data.n * 2 }))
  await inState(jobs, next, 'completed')
  t.match(await jobs.get(id), { state: 'cancelled', attempts: 0 })
  await jobs.retry(id)
  t.match(await inState(jobs, id, 'completed'), { result: { twice: 2 } })
  t.match(await jobs.cancel(id), { state: 'completed' }, 'what is finished stays so')
})

t.test(
  'the handler of an active job that is cancelled gets its signal, in this process or another',
  async (t) => {
    const { open } = await harness(t)
    const [here, elsewhere] = [open(), open()]
    for (const canceller of [here, elsewhere]) {
      const { promise: aborted, resolve } = Promise.withResolvers<void>()
      if (canceller === here) {
        here.work(double, async ({ signal }) => {
          await once(signal, 'abort')
          resolve()
          throw signal.reason
        })
      } else {
        here.work(flaky, async ({ signal }) => {
          await once(signal, 'abort')
          resolve()
          return { attempt: 1 }
        })
      }
      const id =
        canceller === here ? await here.enqueue(double, { n: 1 }) : await here.enqueue(flaky, { failures: 0 })
      await inState(here, id, 'active')
      await canceller.cancel(id)
      await aborted
      t.match(await here.get(id), { state: 'cancelled', attempts: 1, result: null, error: null })
    }
  },
)

t.test('higher priorities run first, and a delayed job waits for its time', async (t) => {
  const jobs = (await harness(t)).open()
  const order: number[] = []
  const later = await jobs.enqueue(double, { n: 9 }, { startAfter: new Date(Date.now() + 60_000) })
  await jobs.enqueue(double, { n: 1 })
  await jobs.enqueue(double, { n: 2 }, { priority: 5 })
  const last = await jobs.enqueue(double, { n: 3 }, { priority: -1 })
  jobs.work(
    double,
    ({ data }) => {
      order.push(data.n)
      return { twice: 0 }
    },
    { concurrency: 1 },
  )
  await inState(jobs, last, 'completed')
  t.same(order, [2, 1, 3])
  t.match(await jobs.get(later), { state: 'queued' })
})

for (const batchSize of [1, 3]) {
  t.test(`no more handlers run at once than the concurrency, in batches of ${batchSize}`, async (t) => {
    const jobs = (await harness(t)).open()
    const { promise: full, resolve } = Promise.withResolvers<void>()
    let running = 0
    let most = 0
    let done = 0
    for (let n = 0; n < 30; n++) await jobs.enqueue(double, { n })
    jobs.work(
      double,
      async () => {
        most = Math.max(most, ++running)
        if (running === 3) resolve()
        await full
        running--
        done++
        return { twice: 0 }
      },
      { concurrency: 3, batchSize },
    )
    await until('all are done', () => done === 30)
    t.equal(most, 3)
  })
}

t.test('of a single-active job one runs at a time in all processes', async (t) => {
  const single = defineJob({ name: 'single', data: Type.Object({}), result: Type.Null(), singleActive: true })
  const { open } = await harness(t)
  let running = 0
  let most = 0
  let done = 0
  const both = [open({ definitions: [single] }), open({ definitions: [single] })]
  for (const jobs of both) {
    jobs.work(
      single,
      async () => {
        most = Math.max(most, ++running)
        await new Promise((resolve) => setTimeout(resolve, 5))
        running--
        done++
        return null
      },
      { concurrency: 2, pollingIntervalMs: 500 },
    )
  }
  for (let n = 0; n < 6; n++) await both[n % 2]?.enqueue(single, {})
  await until('all are done', () => done === 6)
  t.equal(most, 1)
})

t.test('a job with a cron expression is scheduled once, and unscheduled with its expression', async (t) => {
  const { open, admin } = await harness(t)
  const shape = { name: 'tick', data: Type.Object({}), result: Type.Null() }
  const schedules = async () => {
    const { rows } = await admin.query('SELECT name, cron, timezone FROM pgboss.schedule')
    return rows
  }
  const cron = { expression: '*/5 * * * *', data: {} }
  await open({ definitions: [defineJob({ ...shape, cron })] }).ready()
  await open({ definitions: [defineJob({ ...shape, cron })] }).ready()
  t.same(await schedules(), [{ name: 'tick', cron: '*/5 * * * *', timezone: 'UTC' }])
  await open({ definitions: [defineJob(shape)] }).ready()
  t.same(await schedules(), [])
})

t.test('settings of a queue follow its definition', async (t) => {
  const { open, admin } = await harness(t)
  const shape = { name: 'kept', data: Type.Object({}), result: Type.Null() }
  await open({ definitions: [defineJob(shape)] }).ready()
  await open({ definitions: [defineJob({ ...shape, retryLimit: 9, deadLetter: false })] }).ready()
  const { rows } = await admin.query(
    "SELECT retry_limit, dead_letter, deletion_seconds, heartbeat_seconds FROM pgboss.queue WHERE name = 'kept'",
  )
  t.same(rows, [{ retry_limit: 9, dead_letter: null, deletion_seconds: 604_800, heartbeat_seconds: 10 }])
})

t.test('jobs are listed newest first, by queue and state', async (t) => {
  const jobs = (await harness(t)).open()
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
})

t.test('a registry tells depths, ages and durations', async (t) => {
  const { open } = await harness(t)
  const registry = new Registry()
  const jobs = open({ registry })
  jobs.work(double, ({ data }) => ({ twice: data.n * 2 }))
  await inState(jobs, await jobs.enqueue(double, { n: 1 }), 'completed')
  const text = await registry.metrics()
  t.match(text, 'jobs_duration_seconds_count{queue="double",outcome="completed"} 1')
  t.match(text, 'jobs_queue_depth{queue="flaky",state="ready"} 0')
  t.match(text, 'jobs_oldest_ready_seconds{queue="double"} 0')
})
