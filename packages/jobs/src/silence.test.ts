import { until } from '@reference/async'
import { linkTo } from '@reference/local-stack'
import t from 'tap'
import { double } from './testing/definitions.ts'
import { createHarness, inState } from './testing/harness.ts'

const UNAVAILABLE = { code: 'JOBS_UNAVAILABLE', statusCode: 503, retryAfterSeconds: 1 }
const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000'

t.test('while the database does not answer every call is a 503; afterwards jobs continue', async (t) => {
  const { url, open } = await createHarness(t)
  const link = await linkTo(t, url)
  await link.mend()
  const jobs = open({ databaseUrl: link.url })
  jobs.work(double, ({ data }) => ({ twice: data.n * 2 }))
  await inState(jobs, await jobs.enqueue(double, { n: 1 }), 'completed')
  link.hang()
  const calls: Record<string, Promise<unknown>> = {
    enqueue: jobs.enqueue(double, { n: 2 }),
    get: jobs.get(UNKNOWN_ID),
    list: jobs.list(),
    cancel: jobs.cancel(UNKNOWN_ID),
    retry: jobs.retry(UNKNOWN_ID),
    ready: jobs.ready(),
  }
  for (const outcome of Object.values(calls)) outcome.catch(() => {})
  for (const [call, outcome] of Object.entries(calls)) await t.rejects(outcome, UNAVAILABLE, call)
  await link.mend()
  const id = await until('a job is taken again', () => jobs.enqueue(double, { n: 3 }), {
    retryErrors: true,
  })
  await inState(jobs, id, 'completed')
})

t.test('close returns although the database does not answer, and aborts the running handler', async (t) => {
  const { url, open } = await createHarness(t)
  const link = await linkTo(t, url)
  await link.mend()
  const jobs = open({ databaseUrl: link.url, drainTimeoutMs: 1_000 })
  const { promise: aborted, resolve } = Promise.withResolvers<void>()
  jobs.work(double, ({ signal }) => {
    signal.addEventListener('abort', () => resolve())
    return new Promise<never>(() => {})
  })
  await inState(jobs, await jobs.enqueue(double, { n: 1 }), 'active')
  link.hang()
  let closed = false
  const closing = jobs.close().then(() => {
    closed = true
  })
  // Below the 15 s after which a statement fails by itself.
  await until('it is closed', () => closed, { timeoutMs: 12_000 })
  await Promise.all([closing, aborted])
})

t.test('a queue whose database has never answered can be closed', async (t) => {
  const { url, open } = await createHarness(t)
  const link = await linkTo(t, url)
  await link.mend()
  link.hang()
  const jobs = open({ databaseUrl: link.url, drainTimeoutMs: 1_000 })
  await t.rejects(jobs.enqueue(double, { n: 1 }), UNAVAILABLE)
  await jobs.close()
})

t.test('a database that refuses the login is a 503', async (t) => {
  const { url, open } = await createHarness(t)
  const parts: Partial<URL>[] = [{ password: 'wrong' }, { pathname: '/nothing' }]
  for (const part of parts) {
    const jobs = open({ databaseUrl: Object.assign(new URL(url), part).href })
    await t.rejects(jobs.enqueue(double, { n: 1 }), UNAVAILABLE)
    await jobs.close()
  }
})
