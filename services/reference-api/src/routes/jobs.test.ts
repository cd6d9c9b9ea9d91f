import { createHash } from 'node:crypto'
import { until } from '@reference/local-stack'
import t from 'tap'
import { startApi, type TestApi } from '../testing/test-api.ts'

const finished = ({ call }: TestApi, id: string) =>
  until(`job ${id} is finished`, async () => {
    const { body } = await call('GET', `/jobs/${id}`)
    return (body.state === 'completed' || body.state === 'failed') && body
  })

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

t.test('jobs', async (t) => {
  const api = await startApi(t)
  const { call, sql } = api

  t.test(
    'POST /process-data is answered once the job is stored, and the job returns the digest',
    async (t) => {
      const body = '{"b": [1, 1.0, 1e2], "a": {"d": "ü", "c": null}, "€": true}'
      const accepted = await call('POST', '/process-data', { body })
      t.equal(accepted.status, 202)
      t.equal(accepted.body.status, 'processing')
      t.equal(accepted.headers.location, `/jobs/${accepted.body.jobId}`)
      const canonical = '{"a":{"c":null,"d":"ü"},"b":[1,1,100],"€":true}'
      t.same(await finished(api, accepted.body.jobId), {
        id: accepted.body.jobId,
        state: 'completed',
        progress: 100,
        attempts: 1,
        result: { bytes: Buffer.byteLength(canonical), keys: 3, sha256: sha256(canonical) },
        error: null,
      })
    },
  )

  t.test('the digest of a large payload is computed in a worker thread', async (t) => {
    const payload = { z: 'x'.repeat(900_000), a: 1 }
    const { body } = await call('POST', '/process-data', { body: payload })
    const { result } = await finished(api, body.jobId)
    t.equal(result.sha256, sha256(JSON.stringify({ a: 1, z: payload.z })))
  })

  t.test('the payload may be an empty object', async (t) => {
    const { body } = await call('POST', '/process-data', { body: {} })
    t.match(await finished(api, body.jobId), { result: { bytes: 2, keys: 0, sha256: sha256('{}') } })
  })

  t.test(
    'a body that is no JSON object is 400, one over the limit 413, and neither stores a job',
    async (t) => {
      const [before] = await sql`select count(*) from pgboss.job`
      const wrong = ['[]', '1', '"x"', 'null', '', '{', '{"a":"\\u0000"}', '{"a\\u0000":1}', '{"a":1e999}']
      for (const body of [
        ...wrong,
        `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`,
        '{"__proto__":{}}',
      ]) {
        const answer = await call('POST', '/process-data', { body })
        t.equal(answer.status, 400, body.slice(0, 40))
        t.match(answer.headers['content-type'], 'application/problem+json')
      }
      t.equal((await call('POST', '/process-data', { body: { a: 'x'.repeat(1_048_576) } })).status, 413)
      t.same(await sql`select count(*) from pgboss.job`, [before])
    },
  )

  t.test('an idempotency key makes a repeated job one job', async (t) => {
    const headers = { 'idempotency-key': 'job-1' }
    const first = await call('POST', '/process-data', { body: { a: 1, b: 2 }, headers })
    const again = await call('POST', '/process-data', { body: { b: 2, a: 1 }, headers })
    t.equal(again.status, 202)
    t.equal(again.body.jobId, first.body.jobId)
    t.equal((await call('POST', '/process-data', { body: { a: 2 }, headers })).status, 422)
  })

  t.test('an unknown job is 404', async (t) => {
    for (const id of ['1', 'nope', '00000000-0000-4000-8000-000000000000', '%F0%9F%98%80']) {
      t.match(await call('GET', `/jobs/${id}`), { status: 404, body: { status: 404 } }, id)
    }
  })
})

t.test('a job that is stored survives a restart of the API', async (t) => {
  const api = await startApi(t)
  const { body } = await api.call('POST', '/process-data', { body: { survive: true } })
  await api.close()
  const next = await startApi(t, {}, { on: api })
  t.match(await finished(next, body.jobId), { state: 'completed', result: { keys: 1 } })
})

t.test('with BACKGROUND_JOBS=off the work is done before the same reply', async (t) => {
  const { call, sql } = await startApi(t, { BACKGROUND_JOBS: 'off', JOB_HANDLERS: 'off' }, { redis: false })
  const headers = { 'idempotency-key': 'done' }
  const body = { b: 1, a: 2 }
  const accepted = await call('POST', '/process-data', { body, headers })
  t.match(accepted, { status: 202, body: { status: 'processing', jobId: String } })
  t.equal(accepted.headers.location, `/jobs/${accepted.body.jobId}`)
  t.same((await call('GET', `/jobs/${accepted.body.jobId}`)).body, {
    id: accepted.body.jobId,
    state: 'completed',
    progress: 100,
    attempts: 1,
    result: { bytes: 13, keys: 2, sha256: sha256('{"a":2,"b":1}') },
    error: null,
  })
  t.equal((await call('POST', '/process-data', { body, headers })).body.jobId, accepted.body.jobId)
  t.equal((await call('POST', '/process-data', { body: '{"a":"\\u0000"}' })).status, 400)
  t.same(await sql`select count(*)::int as jobs from pgboss.job`, [{ jobs: 1 }])
})
