import { delay, until } from '@reference/async'
import t from 'tap'
import { addressKey } from './address-key.ts'
import { RateLimiter, type RateLimiterOptions, type SharedCounts } from './rate-limiter.ts'

const HOUR = 3_600_000

function limiterOf(options: Partial<RateLimiterOptions> = {}): RateLimiter {
  return new RateLimiter({ name: 'test', max: 10, windowMs: HOUR, ...options })
}

const takeMany = (limiter: RateLimiter, count: number, address = '192.0.2.1') =>
  Array.from({ length: count }, () => limiter.take(address)).filter(Boolean).length

/** Counts in this process, in the place of those in Redis (packages/cache tests them). */
class Counts implements SharedCounts {
  isAvailable = true
  readonly #counts = new Map<string, number>()

  async add(counts: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, number>> {
    await delay(1)
    if (!this.isAvailable) throw new Error('unavailable')
    for (const [name, count] of counts) this.#counts.set(name, (this.#counts.get(name) ?? 0) + count)
    return new Map([...counts.keys()].map((name) => [name, this.#counts.get(name) as number]))
  }
}

t.test('a client gets its limit, and each client its own', async (t) => {
  const limiter = limiterOf()
  t.equal(takeMany(limiter, 30), 10)
  t.equal(takeMany(limiter, 30, '192.0.2.2'), 10)
})

t.test('a new window begins at zero', async () => {
  const limiter = limiterOf({ windowMs: 50 })
  takeMany(limiter, 30)
  await until('the client is allowed again', () => limiter.take('192.0.2.1'))
})

t.test('a /64 of IPv6 is one client, and a mapped address is its IPv4 one', async (t) => {
  t.equal(addressKey('2001:db8:1:2::1'), addressKey('2001:db8:1:2:ffff:ffff:ffff:ffff'))
  t.equal(addressKey('2001:DB8:1:2::1'), addressKey('2001:0db8:0001:0002:0:0:0:9'))
  t.equal(addressKey('2001:db8::1'), addressKey('2001:db8:0:0:8::'))
  t.not(addressKey('2001:db8:1:2::1'), addressKey('2001:db8:1:3::1'))
  t.equal(addressKey('::1'), '0:0:0:0::/64')
  t.equal(addressKey('fe80::1%eth0'), 'fe80:0:0:0::/64')
  t.equal(addressKey('::ffff:192.0.2.1'), '192.0.2.1')
  t.equal(addressKey('192.0.2.1'), '192.0.2.1')
  const limiter = limiterOf()
  t.equal(takeMany(limiter, 5, '2001:db8:1:2::1') + takeMany(limiter, 30, '2001:db8:1:2::2'), 10)
  t.equal(takeMany(limiter, 5, '::ffff:192.0.2.1') + takeMany(limiter, 30, '192.0.2.1'), 10)
})

t.test(
  'forged addresses have one limit together once there are too many, and known clients keep theirs',
  async (t) => {
    const limiter = limiterOf({ max: 100 })
    let taken = 0
    for (let n = 0; n < 20_000; n++) if (limiter.take(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`)) taken++
    t.ok(taken <= 10_100, `${taken}`)
    t.ok(limiter.take('10.0.0.1'))
  },
)

t.test('an address that is none counts as its connection', async (t) => {
  const limiter = limiterOf()
  let taken = 0
  for (let n = 0; n < 30; n++) if (limiter.take(`unknown-${n}`, '192.0.2.1')) taken++
  t.equal(taken, 10)
})

t.test('exempt addresses and subnets have no limit', async (t) => {
  const limiter = limiterOf({ exempt: ['10.0.0.0/8', '192.0.2.9', '2001:db8::/32'] })
  for (const address of ['10.1.2.3', '192.0.2.9', '2001:db8:1::1'])
    t.equal(takeMany(limiter, 30, address), 30)
  t.equal(takeMany(limiter, 30, '11.0.0.1'), 10)
})

t.test('processes that share their counts allow the limit once', async (t) => {
  const counts = new Counts()
  const limiters = Array.from({ length: 3 }, () => limiterOf({ max: 300, shared: () => counts }))
  t.teardown(() => {
    for (const limiter of limiters) limiter.close()
  })
  for (const limiter of limiters) limiter.start()
  let allowed = 0
  // 540 requests in 600 ms, 180 for each process.
  for (let round = 0; round < 60; round++) {
    for (const limiter of limiters) allowed += takeMany(limiter, 3)
    await delay(10)
  }
  t.ok(allowed >= 300 && allowed < 500, `${allowed} of 540 for a limit of 300`)
  t.ok(limiters.every((limiter) => limiter.isExhausted('192.0.2.1')))
  t.ok(
    limiters.every((limiter) => limiter.take('192.0.2.2')),
    'another client is not affected',
  )
})

t.test('without the shared counts each process allows its part of the limit', async (t) => {
  const counts = new Counts()
  // Windows of a second, as for requests: a new one begins with nothing counted.
  const limiters = Array.from({ length: 3 }, () =>
    limiterOf({ max: 300, windowMs: 1000, shared: () => counts }),
  )
  t.teardown(() => {
    for (const limiter of limiters) limiter.close()
  })
  for (const limiter of limiters) limiter.start()
  await until('each process knows of the others', async () => {
    for (const limiter of limiters) takeMany(limiter, 1)
    await delay(150)
    counts.isAvailable = false
    for (const limiter of limiters) takeMany(limiter, 300, '192.0.2.7')
    await delay(250)
    const allowed = limiters.map((limiter) =>
      takeMany(limiter, 1000, `192.0.2.${Math.ceil(Math.random() * 200)}`),
    )
    counts.isAvailable = true
    return allowed.every((count) => count === 100)
  })
  await until('with them each client gets its whole limit again', async () => {
    const [first] = limiters
    takeMany(first as RateLimiter, 1)
    await delay(150)
    return takeMany(first as RateLimiter, 1000, `198.51.100.${Math.ceil(Math.random() * 200)}`) === 300
  })
})
