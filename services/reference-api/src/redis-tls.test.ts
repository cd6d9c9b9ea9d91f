import { hasRedisTls, startTlsRedis, testCertificate, until } from '@reference/local-stack'
import t from 'tap'
import { startApi } from './testing/test-api.ts'

const skip = (await hasRedisTls()) ? false : 'this Redis was built without TLS'

t.test(
  'a service uses a Redis with a private authority, and outlives its certificate',
  { skip },
  async (t) => {
    const redis = await startTlsRedis(t)
    const settings = { REDIS_URL: redis.url, REDIS_CA_FILE: testCertificate('authority.crt') }
    const { call } = await startApi(t, settings, { redis: false })
    const isCached = async () => (await call('GET', '/users/1')).headers['x-cache'] === 'l1'
    const check = async () => (await call('GET', '/ready')).body
    await until('the cache is in use', isCached)
    t.equal((await check()).status, 'ok')

    await redis.present('expired')
    // The first reports may name the connection that ended instead.
    await until('its certificate is refused', async () => {
      const { status, checks } = await check()
      const redis = checks.find(({ name }: { name: string }) => name === 'redis')
      return status === 'degraded' && redis.error === 'CACHE_NODE_UNAVAILABLE: CERT_HAS_EXPIRED'
    })
    t.equal((await call('PATCH', '/users/1', { body: { name: 'While it was expired' } })).status, 200)
    t.equal((await call('GET', '/users/1')).body.name, 'While it was expired')

    await redis.present('server')
    await until('the cache is in use again', isCached)
    t.equal((await call('GET', '/users/1')).body.name, 'While it was expired')
  },
)
