import { startService, testDatabase, testRedis, until } from '@reference/local-stack'
import { Redis } from 'ioredis'
import t from 'tap'
import { createCall } from './testing/test-api.ts'

t.test('while Redis answers reads and refuses writes, no process answers an old row', async (t) => {
  const [database, redis] = [await testDatabase(t), await testRedis(t, { own: true })]
  const admin = new Redis(redis.url)
  t.teardown(() => admin.disconnect())
  const start = async () => {
    const service = startService(t, 'reference-api', { DATABASE_URL: database.url, REDIS_URL: redis.url })
    const call = createCall(await service.listening())
    const read = async () => {
      const { status, headers, body } = await call('GET', '/users/5')
      return { status, name: body.name, from: headers['x-cache'] }
    }
    return { service, call, read }
  }
  const processes = [await start(), await start()]
  const [writer] = processes
  if (writer === undefined) throw new Error('none has started')
  const allRead = async (expected: { name?: string; from?: string }) => {
    const all = await Promise.all(processes.map(({ read }) => read()))
    return all.every(
      ({ name, from }) =>
        (expected.name === undefined || name === expected.name) &&
        (expected.from === undefined || from === expected.from),
    )
  }
  await until('both have it in tier 1', () => allRead({ from: 'l1' }))

  await admin.config('SET', 'min-replicas-to-write', '1')
  t.equal((await writer.call('PATCH', '/users/5', { body: { name: 'new' } })).status, 200)
  t.match(await writer.read(), { status: 200, name: 'new' })
  await until('both answer the new row', () => allRead({ name: 'new' }))
  for (const { call, service } of processes) {
    const { status, body } = await call('GET', '/ready')
    t.match({ status, body }, { status: 200, body: { status: 'degraded' } })
    t.match(
      body.checks.find(({ name }: { name: string }) => name === 'redis'),
      { status: 'degraded', error: 'CACHE_NODE_REFUSES', reason: /^NOREPLICAS: fewer replicas/ },
    )
    t.match((await call('GET', '/metrics')).raw.toString(), /cache_redis_refuses{.*reason="NOREPLICAS"} 1/)
    await until('it is logged', () => /NOREPLICAS: fewer replicas/.test(service.output.text))
  }

  await admin.config('SET', 'min-replicas-to-write', '0')
  await until('both use tier 1 again', () => allRead({ name: 'new', from: 'l1' }))
  for (const { call, service } of processes) {
    await until('it is ready', async () => (await call('GET', '/ready')).body.status === 'ok')
    await until('its end is logged', () => service.output.text.includes('Redis is used again'))
  }
  t.equal((await writer.call('PATCH', '/users/5', { body: { name: 'newer' } })).status, 200)
  await until('invalidations reach both', () => allRead({ name: 'newer' }))
})
