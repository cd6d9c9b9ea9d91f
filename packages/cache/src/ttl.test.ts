import fc from 'fast-check'
import t from 'tap'
import { JITTER, jittered, storedForMs, tier1TtlMs } from './ttl.ts'

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const ttl = fc.integer({ min: 1, max: 365 * 24 * 3_600_000 })

t.test('jitter shortens a TTL by its share at most and never lengthens it', async () => {
  fc.assert(
    fc.property(ttl, random, (ttlMs, chance) => {
      const result = jittered(ttlMs, chance)
      return (
        Number.isInteger(result) &&
        result >= 1 &&
        result <= ttlMs &&
        result >= Math.floor(ttlMs * (1 - JITTER))
      )
    }),
  )
})

t.test('tier 1 never keeps a value for longer than tier 2 has left', async () => {
  const timestamp = fc.double({ min: 0, max: 1e13, noNaN: true })
  fc.assert(
    fc.property(timestamp, timestamp, random, (freshUntil, now, chance) => {
      const left = tier1TtlMs(freshUntil, now, chance)
      return left >= 0 && left <= Math.max(0, freshUntil - now)
    }),
  )
})

t.test('an expired value does not enter tier 1', async (t) => {
  t.equal(tier1TtlMs(1_000, 1_000, 0), 0)
  t.equal(tier1TtlMs(1_000, 2_000, 0.5), 0)
  t.equal(tier1TtlMs(1_000, Number.POSITIVE_INFINITY, 0.5), 0)
})

t.test('Redis keeps a value for its TTL and its grace', async () => {
  fc.assert(
    fc.property(
      ttl,
      fc.integer({ min: 0, max: 1e9 }),
      (ttlMs, graceMs) => storedForMs(ttlMs, graceMs) === ttlMs + graceMs,
    ),
  )
})
