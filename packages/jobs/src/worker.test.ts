import { channel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { until } from '@reference/async'
import t from 'tap'
import { Type } from 'typebox'
import { defineJob } from './definition.ts'
import { JobPermanentError } from './errors.ts'
import { double, flaky } from './testing/definitions.ts'
import { createHarness, inState } from './testing/harness.ts'
import type { TracedJob } from './tracing.ts'

t.test('the progress of an active job is read while it runs', async (t) => {
  const jobs = (await createHarness(t)).open()
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

t.test('a stored payload that the schema refuses fails at once', async (t) => {
  const { open, admin } = await createHarness(t)
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
  const jobs = (await createHarness(t)).open()
  jobs.work(double, () => ({ twice: 1.5 }))
  const id = await jobs.enqueue(double, { n: 1 })
  t.match(await inState(jobs, id, 'failed'), { attempts: 1, error: /twice must be integer/ })
})

t.test('a handler that fails is tried again until it succeeds', async (t) => {
  const jobs = (await createHarness(t)).open()
  jobs.work(
    flaky,
    ({ data, attempt }) => {
      if (attempt <= data.failures) throw new Error('not yet')
      return { attempt }
    },
    // Long enough to be seen between the attempts.
    { pollingIntervalMs: 2_000 },
  )
  const id = await jobs.enqueue(flaky, { failures: 1 })
  t.match(await inState(jobs, id, 'retrying'), { attempts: 1, error: 'not yet' })
  t.match(await inState(jobs, id, 'completed'), { attempts: 2, result: { attempt: 2 }, error: null })
})

t.test('a job without attempts left fails, becomes a dead letter, and can be sent again', async (t) => {
  const { open, admin } = await createHarness(t)
  const jobs = open()
  const deadLetters = async () => {
    const { rows } = await admin.query(
      "SELECT data, source_id AS source FROM pgboss.job WHERE name = 'dead-letter'",
    )
    return rows
  }
  let broken = true
  jobs.work(
    flaky,
    ({ attempt }) => {
      if (broken) throw new Error('out of order')
      return { attempt }
    },
    { pollingIntervalMs: 500 },
  )
  const id = await jobs.enqueue(flaky, { failures: 9 })
  const failed = await inState(jobs, id, 'failed')
  t.match(failed, { attempts: 3, error: 'out of order', result: null })
  t.notMatch(failed.error, 'at ', 'no stack')
  t.same(await deadLetters(), [{ data: { failures: 9 }, source: id }])

  t.match(await jobs.list({ deadLetters: true }), [
    { id, queue: 'flaky', attempts: 3, error: 'out of order' },
  ])

  broken = false
  t.match(await jobs.retry(id), { changed: true })
  t.match(await inState(jobs, id, 'completed'), { attempts: 4 })
  t.same(await deadLetters(), [])
})

t.test('a dead letter whose job is deleted can be sent again under the same id', async (t) => {
  const { open, admin } = await createHarness(t)
  const jobs = open()
  let broken = true
  jobs.work(flaky, ({ data, attempt }) => {
    if (broken) throw new JobPermanentError('out of order')
    return { attempt: attempt + data.failures }
  })
  const id = await jobs.enqueue(flaky, { failures: 7 })
  await inState(jobs, id, 'failed')
  await admin.query('DELETE FROM pgboss.job WHERE id = $1', [id])
  t.equal(await jobs.get(id), undefined)
  broken = false
  const [letter] = await jobs.deadLetters('flaky')
  t.match(await jobs.retry(letter ?? ''), { id, changed: true })
  t.match(await inState(jobs, id, 'completed'), { result: { attempt: 8 } })
  t.same(await jobs.list({ deadLetters: true }), [])
})

t.test('a permanent failure is not tried again', async (t) => {
  const jobs = (await createHarness(t)).open()
  jobs.work(flaky, () => {
    throw new JobPermanentError('this cannot work')
  })
  const id = await jobs.enqueue(flaky, { failures: 0 })
  t.match(await inState(jobs, id, 'failed'), { attempts: 1, error: 'this cannot work' })
})

t.test('a queued job that is cancelled never runs, and can be sent again', async (t) => {
  const jobs = (await createHarness(t)).open()
  const id = await jobs.enqueue(double, { n: 1 })
  t.match(await jobs.retry(id), { state: 'queued', changed: false }, 'a waiting job is not sent again')
  t.match(await jobs.cancel(id), { state: 'cancelled', attempts: 0, changed: true })
  t.match(await jobs.cancel(id), { state: 'cancelled', changed: false })
  const next = await jobs.enqueue(double, { n: 2 })
  jobs.work(double, ({ data }) => ({ twice: data.n * 2 }))
  await inState(jobs, next, 'completed')
  t.match(await jobs.get(id), { state: 'cancelled', attempts: 0 })
  await jobs.retry(id)
  t.match(await inState(jobs, id, 'completed'), { result: { twice: 2 } })
  t.match(
    await jobs.cancel(id),
    { state: 'completed', changed: false },
    'a job that has ended does not change',
  )
  t.match(await jobs.retry(id), { state: 'completed', changed: false })
})

t.test(
  'the handler of an active job that is cancelled gets its signal, in this process or another',
  async (t) => {
    const { open } = await createHarness(t)
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
  const jobs = (await createHarness(t)).open()
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
    const jobs = (await createHarness(t)).open()
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

t.test('a single-active job runs once at a time in all processes', async (t) => {
  const single = defineJob({ name: 'single', data: Type.Object({}), result: Type.Null(), singleActive: true })
  const { open } = await createHarness(t)
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

/** A logger that keeps its lines. */
function keptLog() {
  const lines: object[] = []
  const log = (details: object, message: string) => {
    lines.push({ ...details, message })
  }
  return { lines, logger: { info: log, warn: log, error: log } }
}

t.test('with attemptLog each attempt is logged', async (t) => {
  const { lines, logger } = keptLog()
  const jobs = (await createHarness(t)).open({ logger, attemptLog: true })
  jobs.work(flaky, ({ data, attempt }) => {
    if (attempt <= data.failures) throw new Error('not yet')
    return { attempt }
  })
  const jobId = await jobs.enqueue(flaky, { failures: 1 })
  await inState(jobs, jobId, 'completed')
  t.match(
    lines.filter((line) => 'jobId' in line),
    [
      { message: 'job', job: 'flaky', jobId, attempt: 1, outcome: 'failed', ms: Number },
      { message: 'an attempt of a job failed', job: 'flaky', jobId, attempt: 1, err: { message: 'not yet' } },
      { message: 'job', job: 'flaky', jobId, attempt: 2, outcome: 'completed', ms: Number },
    ],
  )
})

t.test('without attemptLog the attempts are logged whose trace is kept', async (t) => {
  const traceId = 'a'.repeat(32)
  const begin = (message: unknown) => {
    const traced = message as TracedJob
    if (traced.id === kept) traced.traceId = traceId
  }
  const runs = channel('reference:jobs.run')
  runs.subscribe(begin)
  t.teardown(() => runs.unsubscribe(begin))
  const { lines, logger } = keptLog()
  const jobs = (await createHarness(t)).open({ logger })
  const [kept = '', other = ''] = [await jobs.enqueue(double, { n: 1 }), await jobs.enqueue(double, { n: 2 })]
  jobs.work(double, ({ data }) => ({ twice: data.n * 2 }))
  for (const id of [kept, other]) await inState(jobs, id, 'completed')
  const attempts = lines.filter((line) => 'jobId' in line)
  t.match(attempts, [{ message: 'job', jobId: kept, outcome: 'completed' }])
  t.equal(attempts.length, 1)
})
