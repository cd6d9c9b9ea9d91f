import { until } from '@reference/local-stack'
import t from 'tap'
import { startApi } from '../testing/test-api.ts'

t.test('products', async (t) => {
  const { call, sql } = await startApi(t)

  t.test('GET /products/:id returns one product', async (t) => {
    const { status, body } = await call('GET', '/products/5')
    t.equal(status, 200)
    await until('a tier-1 hit', async () => (await call('GET', '/products/5')).headers['x-cache'] === 'l1')
    const [row] = await sql`select id, name, category, price_cents as "priceCents" from products where id = 5`
    t.same(body, row)
  })

  t.test('an unknown id is 404, a malformed one 400', async (t) => {
    t.equal((await call('GET', '/products/999999')).status, 404)
    t.match(await call('GET', '/products/1e3'), { status: 400, body: { errors: [{ field: 'id' }] } })
  })

  t.test('pages go through all products once, in order', async (t) => {
    const first = (await call('GET', '/products?limit=60')).body
    const second = (await call('GET', `/products?limit=60&after=${first.next}`)).body
    const ids = [...first.items, ...second.items].map(({ id }) => id)
    const [row] = await sql`select array_agg(id order by id) as ids from products`
    t.same(ids, row?.ids)
    t.equal(second.next, null)
  })

  t.test('a wrong limit or cursor is a 400 that names it', async (t) => {
    t.match(await call('GET', '/products?limit=501'), { status: 400, body: { errors: [{ field: 'limit' }] } })
    t.match(await call('GET', '/products?after=!'), { status: 400, body: { errors: [{ field: 'after' }] } })
  })
})
