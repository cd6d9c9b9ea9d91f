import fc from 'fast-check'
import t from 'tap'
import { type Envelope, GENERATION_LENGTH, HEADER_BYTES, pack, unpack } from './envelope.ts'

const bytes = (options?: fc.IntArrayConstraints) => fc.uint8Array(options).map((array) => Buffer.from(array))
const envelopes: fc.Arbitrary<Envelope> = fc.record({
  negative: fc.boolean(),
  freshUntil: fc.double({ min: 0, max: 1e15, noNaN: true }),
  generation: fc.stringMatching(new RegExp(`^[A-Za-z0-9_-]{${GENERATION_LENGTH}}$`)),
  payload: bytes(),
})

t.test('unpack returns the packed envelope', async (t) => {
  fc.assert(
    fc.property(envelopes, (envelope) => {
      t.same(unpack(pack(envelope)), envelope)
    }),
    { numRuns: 200 },
  )
})

t.test('one changed bit anywhere is detected', async () => {
  fc.assert(
    fc.property(envelopes, fc.nat(), (envelope, position) => {
      const stored = pack(envelope)
      const bit = position % (stored.length * 8)
      stored[bit >> 3] = (stored[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      return unpack(stored) === undefined
    }),
    { numRuns: 2_000 },
  )
})

t.test('truncated and extended bytes are detected', async () => {
  fc.assert(
    fc.property(envelopes, fc.nat(), bytes({ minLength: 1 }), (envelope, length, more) => {
      const stored = pack(envelope)
      const cut = stored.subarray(0, length % stored.length)
      return unpack(cut) === undefined && unpack(Buffer.concat([stored, more])) === undefined
    }),
    { numRuns: 1_000 },
  )
})

t.test('other bytes are never accepted as an envelope, and never throw', async () => {
  fc.assert(
    fc.property(bytes({ maxLength: HEADER_BYTES * 3 }), (stored) => unpack(stored) === undefined),
    { numRuns: 5_000 },
  )
})
