import { once } from 'node:events'
import { until } from '@reference/async'
import { freePort } from '@reference/local-stack'
import t from 'tap'
import { double } from './testing/definitions.ts'
import { createHarness, inState, whenReady } from './testing/harness.ts'

t.test('a job enqueued by a process that was killed is completed by another', async (t) => {
  const { open, start } = await createHarness(t)
  const { child, line: id } = await start('enqueue')
  child.kill('SIGKILL')
  await once(child, 'exit')
  const jobs = open()
  jobs.work(double, ({ data }) => ({ twice: data.n * 2 }))
  t.match(await inState(jobs, id, 'completed'), { result: { twice: 42 } })
})

t.test('the job of a worker that was killed runs again', async (t) => {
  const { open, start, admin } = await createHarness(t)
  const jobs = open()
  const id = await jobs.enqueue(double, { n: 4 })
  const { child, line } = await start('hang')
  t.equal(line, id)
  t.match(await jobs.get(id), { state: 'active', attempts: 1 })
  child.kill('SIGKILL')
  await once(child, 'exit')
  // pg-boss accepts no heartbeat below 10 s; the test need not wait that long. The next worker has all of this time.
  await admin.query("UPDATE pgboss.job SET heartbeat_on = now() - interval '1 hour' WHERE id = $1", [id])
  jobs.work(double, ({ data }) => ({ twice: data.n * 2 }))
  t.match(await inState(jobs, id, 'completed'), { attempts: 2, result: { twice: 8 } })
})

t.test('the job of a killed worker without attempts left fails with the reason', async (t) => {
  const { open, start, admin } = await createHarness(t)
  const jobs = open()
  const id = await jobs.enqueue(double, { n: 4 })
  const { child } = await start('hang')
  child.kill('SIGKILL')
  await admin.query('UPDATE pgboss.job SET heartbeat_seconds = 1, retry_limit = 0 WHERE id = $1', [id])
  t.match(await inState(jobs, id, 'failed'), { error: 'The worker died or stopped answering.' })
})

t.test('close waits for running handlers and takes no further job', async (t) => {
  const { open } = await createHarness(t)
  const jobs = open({ drainTimeoutMs: 10_000 })
  const { promise: finish, resolve } = Promise.withResolvers<void>()
  jobs.work(
    double,
    async ({ data }) => {
      await finish
      return { twice: data.n * 2 }
    },
    { concurrency: 1 },
  )
  const running = await jobs.enqueue(double, { n: 1 })
  const waiting = await jobs.enqueue(double, { n: 2 })
  await inState(jobs, running, 'active')
  const closing = jobs.close()
  await t.rejects(jobs.enqueue(double, { n: 3 }), { code: 'JOBS_UNAVAILABLE', statusCode: 503 })
  resolve()
  await closing
  const reader = open()
  t.match(await reader.get(running), { state: 'completed', result: { twice: 2 } })
  t.match(await reader.get(waiting), { state: 'queued' })
})

t.test('a handler that outlives the drain is aborted, and its job tried again', async (t) => {
  const { open } = await createHarness(t)
  const jobs = open({ drainTimeoutMs: 1_000 })
  let aborted = false
  jobs.work(double, ({ signal }) => {
    signal.addEventListener('abort', () => {
      aborted = true
    })
    return new Promise<never>(() => {})
  })
  const id = await jobs.enqueue(double, { n: 1 })
  await inState(jobs, id, 'active')
  await jobs.close()
  t.equal(aborted, true)
  t.match(await open().get(id), {
    state: 'retrying',
    error: 'The worker was shut down before the job was done.',
  })
})

t.test(
  'without a database every call is a 503, and the queue starts when the database is migrated',
  async (t) => {
    const { url, open } = await createHarness(t, { migrated: false })
    const early = open()
    early.work(double, ({ data }) => ({ twice: data.n * 2 }))
    await t.rejects(early.ready(), { code: 'JOBS_UNAVAILABLE', statusCode: 503 })
    await t.rejects(early.enqueue(double, { n: 1 }), { code: 'JOBS_UNAVAILABLE', retryAfterSeconds: 1 })
    await t.rejects(early.get('00000000-0000-4000-8000-000000000000'), { code: 'JOBS_UNAVAILABLE' })
    await early.migrate()
    await whenReady(early)
    t.match(await inState(early, await early.enqueue(double, { n: 4 }), 'completed'), {
      result: { twice: 8 },
    })

    const port = String(await freePort())
    const unreachable = open({ databaseUrl: Object.assign(new URL(url), { port }).href })
    await t.rejects(unreachable.ready(AbortSignal.timeout(5_000)), { code: 'JOBS_UNAVAILABLE' })
    await t.rejects(unreachable.enqueue(double, { n: 1 }), { code: 'JOBS_UNAVAILABLE', statusCode: 503 })
    await unreachable.close()
  },
)

t.test('workers continue after the database has dropped every connection', async (t) => {
  const { open, admin } = await createHarness(t)
  const jobs = open()
  jobs.work(double, ({ data }) => ({ twice: data.n * 2 }))
  await inState(jobs, await jobs.enqueue(double, { n: 1 }), 'completed')
  await admin.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
  const id = await until('a job is taken again', () => jobs.enqueue(double, { n: 2 }), {
    retryErrors: true,
  })
  t.match(await inState(jobs, id, 'completed'), { result: { twice: 4 } })
})

t.test('concurrent migrations create one schema', async (t) => {
  const { open } = await createHarness(t, { migrated: false })
  const jobs = open()
  await Promise.all([jobs.migrate(), jobs.migrate()])
  await jobs.migrate()
  await whenReady(jobs)
})
