import { once } from 'node:events'
import { startService, testDatabase, until } from '@reference/local-stack'
import t from 'tap'
import { createCall } from './testing/test-api.ts'

t.test('a job that the API only stores waits for a worker process', async (t) => {
  const { url } = await testDatabase(t)
  const api = startService(t, 'reference-api', { DATABASE_URL: url, JOB_HANDLERS: 'off' })
  const call = createCall(await api.listening())
  const { status, body } = await call('POST', '/process-data', { body: { a: 1 } })
  t.equal(status, 202)
  const stateOf = async () => (await call('GET', `/jobs/${body.jobId}`)).body.state
  t.equal(await stateOf(), 'queued')

  const worker = startService(t, 'reference-worker', { DATABASE_URL: url })
  const ask = createCall(await worker.listening())
  await until('the job is done', async () => (await stateOf()) === 'completed')
  t.equal((await ask('GET', '/health')).status, 200)
  t.match(await ask('GET', '/ready'), {
    status: 200,
    body: {
      status: 'ok',
      checks: [
        { name: 'postgres', status: 'ok' },
        { name: 'jobs', status: 'ok' },
      ],
    },
  })
  t.match(
    (await ask('GET', '/metrics')).raw.toString(),
    'jobs_duration_seconds_count{queue="process-data",outcome="completed"} 1',
  )
  t.equal((await ask('POST', '/process-data', { body: {} })).status, 404)
  t.match(await call('GET', '/metrics'), { status: 200 })

  t.equal(await worker.end('SIGTERM'), 0)
  const later = await call('POST', '/process-data', { body: { a: 2 } })
  t.equal((await call('GET', `/jobs/${later.body.jobId}`)).body.state, 'queued')
  t.equal(await api.end('SIGTERM'), 0)
})

t.test('a worker without a database runs, is not ready, and names the check that fails', async (t) => {
  const worker = startService(t, 'reference-worker', { DATABASE_URL: 'postgres://absent@127.0.0.1:1/none' })
  const ask = createCall(await worker.listening())
  t.equal((await ask('GET', '/health')).status, 200)
  t.match(await ask('GET', '/ready'), {
    status: 503,
    body: {
      checks: [
        { name: 'postgres', status: 'down' },
        { name: 'jobs', status: 'down' },
      ],
    },
  })
  t.equal(await worker.end('SIGTERM'), 0)
})

t.test('wrong settings end a worker with code 78', async (t) => {
  const { child, output } = startService(t, 'reference-worker', { WORKER_THREADS: 'many' })
  await once(child, 'exit')
  t.equal(child.exitCode, 78)
  t.match(output.text, /DATABASE_URL[\s\S]*WORKER_THREADS|WORKER_THREADS[\s\S]*DATABASE_URL/)
})
