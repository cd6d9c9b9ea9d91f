import { until } from '@reference/local-stack'
import t from 'tap'
import { startApi, type TestApi } from '../testing/test-api.ts'

/** Settings in tier 1. */
async function tier1Entries({ call }: TestApi): Promise<number> {
  const text = (await call('GET', '/metrics')).raw.toString()
  return Number(/^cache_entries\{namespace="setting"\} (\d+)$/m.exec(text)?.[1])
}

t.test('config', async (t) => {
  const api = await startApi(t)
  const { call } = api

  t.test('a setting is created, read and changed', async (t) => {
    t.equal((await call('GET', '/config/checkout.enabled')).status, 404)
    const put = await call('PUT', '/config/checkout.enabled', { body: { value: { on: true, share: 0.5 } } })
    t.equal(put.status, 201)
    t.match(put.body, { key: 'checkout.enabled', value: { on: true, share: 0.5 } })
    t.same((await call('GET', '/config/checkout.enabled')).body, put.body)
    t.equal((await call('PUT', '/config/checkout.enabled', { body: { value: false } })).status, 200)
    t.equal((await call('GET', '/config/checkout.enabled')).body.value, false)
  })

  t.test('a value may be any JSON', async (t) => {
    for (const value of [null, 0, 'text', [], {}, [1, { a: null }], 'ünïcödé 😀']) {
      await call('PUT', '/config/any', { body: { value } })
      t.same((await call('GET', '/config/any')).body.value, value)
    }
  })

  t.test('a setting is answered from tier 1', async () => {
    await call('PUT', '/config/hot', { body: { value: 1 } })
    await until('a tier-1 hit', async () => (await call('GET', '/config/hot')).headers['x-cache'] === 'l1')
  })

  t.test('a change is loaded into tier 1 after its reply, before any read', async (t) => {
    const before = await tier1Entries(api)
    await call('PUT', '/config/warm', { body: { value: 1 } })
    await until('it is loaded', async () => (await tier1Entries(api)) > before)
    // From tier 2 when the proof of life for tier 1 is late.
    t.match(String((await call('GET', '/config/warm')).headers['x-cache']), /^l[12]$/)
  })

  t.test('a change in one process reaches the tier 1 of the others', async (t) => {
    const other = await startApi(t, {}, { on: api })
    await call('PUT', '/config/shared', { body: { value: 1 } })
    await until(
      'a tier-1 hit',
      async () => (await other.call('GET', '/config/shared')).headers['x-cache'] === 'l1',
    )
    await call('PUT', '/config/shared', { body: { value: 2 } })
    const changed = await until('the new value', async () => {
      const { body } = await other.call('GET', '/config/shared')
      return body.value === 2 && body
    })
    t.match(changed, { key: 'shared', value: 2 })
  })

  t.test('a wrong key or body is a 400 that names it', async (t) => {
    for (const key of ['%00', 'a%20b', '-x', 'x'.repeat(129)]) {
      t.match(await call('GET', `/config/${key}`), { status: 400, body: { errors: [{ field: 'key' }] } }, key)
    }
    t.match(await call('PUT', '/config/a', { body: {} }), {
      status: 400,
      body: { errors: [{ field: 'value' }] },
    })
    t.match(await call('PUT', '/config/a', { body: { value: 1, more: 2 } }), {
      status: 400,
      body: { errors: [{ field: 'more' }] },
    })
    t.equal((await call('PUT', '/config/a', { body: { value: 'a\u0000' } })).status, 400)
    t.equal((await call('GET', '/config/a')).status, 404)
  })
})
