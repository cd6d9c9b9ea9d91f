import { createHash } from 'node:crypto'
import t from 'tap'
import { createIdempotencyStore } from './idempotency-store.ts'
import { open } from './testing/open.ts'

const KEY = { scope: 'POST /orders', key: 'k' }
const REPLY = {
  bodySha256: createHash('sha256').update('{}').digest('hex'),
  status: 201,
  headers: { location: '/orders/1' },
  body: '{"id":1}',
}

t.test('one of three requests with the same key does the work, the others find its reply', async (t) => {
  const { database } = await open(t)
  const store = createIdempotencyStore(database)
  const request = () =>
    database.primary.transaction(async (tx) => {
      const stored = await store.find(tx, KEY)
      if (stored !== undefined) return stored
      await store.save(tx, KEY, REPLY)
      return 'worked'
    })
  const outcomes = await Promise.all([request(), request(), request()])
  t.equal(outcomes.filter((outcome) => outcome === 'worked').length, 1)
  t.same(
    outcomes.filter((outcome) => outcome !== 'worked'),
    [REPLY, REPLY],
  )
})

t.test('a reply is valid for 24 h, then replaced or purged', async (t) => {
  const { database } = await open(t)
  const { primary } = database
  const store = createIdempotencyStore(database)
  const { signal } = new AbortController()
  const find = () => primary.transaction((tx) => store.find(tx, KEY))
  const save = (body: string) => primary.transaction((tx) => store.save(tx, KEY, { ...REPLY, body }))
  const age = () => primary.sql`update idempotency_keys set created_at = now() - interval '24 hours 1 second'`
  await save('1')
  await save('2')
  t.match(await find(), { body: '1' }, 'a valid reply is never replaced')
  t.equal(await store.purge(signal), 0)
  await age()
  t.equal(await find(), undefined)
  await save('3')
  t.match(await find(), { body: '3' })
  await age()
  t.equal(await store.purge(signal), 1)
  t.equal(await store.purge(signal), 0)
  await t.rejects(store.purge(AbortSignal.abort()), { name: 'AbortError' })
})
