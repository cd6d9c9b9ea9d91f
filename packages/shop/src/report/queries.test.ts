import t from 'tap'
import { open } from '../testing/open.ts'
import { orderChunk, orderIdRange, productCategories, report } from './queries.ts'

t.test('the chunks of the orders add up to the report that SQL makes', async (t) => {
  const { primary, cancellable } = (await open(t)).database
  await primary.sql`update orders set created_at = created_at + interval '11 hours 59 minutes'`
  const expected = await primary.run(report, {})
  const sums = new Map<string, { orders: number; revenueCents: number }>()
  await cancellable.snapshot(2, async ([one, two]) => {
    if (one === undefined || two === undefined)
      throw new Error('the snapshot has fewer connections than requested')
    const categories = new Map((await one.run(productCategories, {})).map((row) => [row.id, row.category]))
    const range = await one.first(orderIdRange, {})
    t.same(range, { first: 1, last: 5000 })
    const chunks = await Promise.all([
      one.bytes(orderChunk, { from: 1, to: 2500 }),
      two.bytes(orderChunk, { from: 2501, to: 5000 }),
    ])
    for (const order of chunks.flatMap((chunk) => chunk.toString('latin1').split(';'))) {
      const [product = 0, day = 0, cents = 0] = order.split(',').map(Number)
      const key = `${categories.get(product)} ${new Date(day * 86_400_000).toISOString().slice(0, 10)}`
      const sum = sums.get(key) ?? { orders: 0, revenueCents: 0 }
      sums.set(key, { orders: sum.orders + 1, revenueCents: sum.revenueCents + cents })
    }
    t.equal((await one.bytes(orderChunk, { from: 6000, to: 7000 })).length, 0)
  })
  t.same(
    expected.map(({ category, day }) => `${category} ${day}`),
    [...sums.keys()].sort(),
    'sorted as JavaScript sorts',
  )
  for (const { category, day, ...sum } of expected)
    t.same({ ...sum, revenueCents: Number(sum.revenueCents) }, sums.get(`${category} ${day}`))
})
