import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { until } from '@reference/local-stack'
import t from 'tap'
import { startApi } from '../testing/test-api.ts'

t.test('orders', async (t) => {
  const { call, sql } = await startApi(t, { CACHE_PAGE_TTL_MS: '60000' })

  t.test('GET /orders/:id returns one order', async (t) => {
    const { status, body } = await call('GET', '/orders/5')
    t.equal(status, 200)
    t.same(Object.keys(body), ['id', 'userId', 'productId', 'quantity', 'totalCents', 'status', 'createdAt'])
    t.type(body.totalCents, 'number')
    t.match(body.status, /^(pending|paid|shipped|cancelled)$/)
    t.match(body.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    t.equal((await call('GET', '/orders/999999')).status, 404)
    t.equal((await call('GET', '/orders/00')).status, 400)
  })

  const walk = async (query: string) => {
    const ids: number[] = []
    for (let after = ''; ; ) {
      const { status, body } = await call('GET', `/orders?limit=500${query}${after}`)
      if (status !== 200) throw new Error(`${status}`)
      ids.push(...body.items.map(({ id }: { id: number }) => id))
      if (body.next === null) return ids
      after = `&after=${body.next}`
    }
  }

  t.test('pages go through all orders once, newest first', async (t) => {
    const [row] = await sql`select array_agg(id order by created_at desc, id desc) as ids from orders`
    t.same(await walk(''), row?.ids)
  })

  t.test('pages are filtered by user, by status, and by both', async (t) => {
    const [busy] =
      await sql`select user_id as id, status from orders group by 1, 2 order by count(*) desc limit 1`
    const { id, status } = busy ?? {}
    const expected = async (where: ReturnType<typeof sql>) =>
      (await sql`select array_agg(id order by created_at desc, id desc) as ids from orders where ${where}`)[0]
        ?.ids
    t.same(await walk(`&userId=${id}`), await expected(sql`user_id = ${id}`))
    t.same(await walk(`&status=${status}`), await expected(sql`status = ${status}`))
    t.same(
      await walk(`&userId=${id}&status=${status}`),
      await expected(sql`user_id = ${id} and status = ${status}`),
    )
    t.same(await walk('&userId=2147483647'), [])
  })

  t.test('orders of one millisecond are neither lost nor repeated between pages', async (t) => {
    await sql`insert into orders (user_id, product_id, quantity, total_cents, created_at)
      select 77, 1, 1, 1, '2031-01-01T00:00:00.123Z' from generate_series(1, 25)`
    const seen: number[] = []
    for (let after = '', i = 0; i < 5; i++) {
      const { body } = await call('GET', `/orders?limit=5${after}`)
      seen.push(...body.items.map((order: { id: number }) => order.id))
      after = `&after=${body.next}`
    }
    t.equal(new Set(seen).size, 25)
    await sql`delete from orders where created_at = '2031-01-01T00:00:00.123Z'`
  })

  t.test('a wrong filter, limit or cursor is a 400 that names it', async (t) => {
    const wrong = { userId: '0', status: 'lost', limit: '501', after: 'MTIz' }
    for (const [field, value] of Object.entries(wrong)) {
      const answer = await call('GET', `/orders?${field}=${value}`)
      t.match(answer, { status: 400, body: { errors: [{ field }] } })
    }
    t.equal((await call('GET', '/orders?status=%00')).status, 400)
  })

  t.test(
    'a page is stored compressed, says how long it lives, and is the same in every encoding',
    async (t) => {
      const plain = await call('GET', '/orders?limit=100')
      t.equal(plain.headers['content-encoding'], undefined)
      t.equal(plain.headers['cache-control'], 'max-age=60')
      t.match(plain.headers.vary, /accept-encoding/i)
      const readers = { br: brotliDecompressSync, gzip: gunzipSync }
      for (const [encoding, read] of Object.entries(readers)) {
        const ask = () => call('GET', '/orders?limit=100', { headers: { 'accept-encoding': encoding } })
        const hit = await until('a hit', async () => {
          const answer = await ask()
          return answer.headers['x-cache'] === 'l1' && answer
        })
        t.equal(hit.headers['content-encoding'], encoding)
        t.same(JSON.parse(read(hit.raw).toString()), plain.body)
        t.ok(hit.raw.length < plain.raw.length / 3)
      }
    },
  )

  t.test('a page of fewer than 1,000 bytes is not compressed', async (t) => {
    const answer = await call('GET', '/orders?limit=2', { headers: { 'accept-encoding': 'gzip' } })
    t.equal(answer.headers['content-encoding'], undefined)
    t.equal(answer.body.items.length, 2)
  })

  t.test('POST computes the total, and the order can be read', async (t) => {
    const [product] = await sql`select price_cents from products where id = 3`
    const { status, headers, body } = await call('POST', '/orders', {
      body: { userId: 1, productId: 3, quantity: 4 },
    })
    t.equal(status, 201)
    t.equal(headers.location, `/orders/${body.id}`)
    t.match(body, {
      userId: 1,
      productId: 3,
      quantity: 4,
      totalCents: product?.price_cents * 4,
      status: 'pending',
    })
    t.same((await call('GET', `/orders/${body.id}`)).body, body)
  })

  t.test('an absent user or product is 422, named, and nothing is stored', async (t) => {
    const [before] = await sql`select count(*) from orders`
    const user = await call('POST', '/orders', { body: { userId: 999999, productId: 3, quantity: 1 } })
    t.match(user, { status: 422, body: { errors: [{ field: 'userId' }] } })
    const product = await call('POST', '/orders', { body: { userId: 1, productId: 999999, quantity: 1 } })
    t.match(product, { status: 422, body: { errors: [{ field: 'productId' }] } })
    const both = await call('POST', '/orders', { body: { userId: 999999, productId: 999999, quantity: 1 } })
    t.match(both, { status: 422, body: { errors: [{ field: 'userId' }, { field: 'productId' }] } })
    t.same(await sql`select count(*) from orders`, [before])
  })

  t.test('a wrong body is 400 and names each field', async (t) => {
    const good = { userId: 1, productId: 1, quantity: 1 }
    const wrong = {
      userId: [0, -1, 1.5, '1', null, 2_147_483_648],
      productId: [0, '1', [], {}],
      quantity: [0, -1, 1.5, '2', 1e12, true],
    }
    for (const [field, values] of Object.entries(wrong)) {
      for (const value of values) {
        const answer = await call('POST', '/orders', { body: { ...good, [field]: value } })
        t.match(answer, { status: 400, body: { errors: [{ field }] } }, `${field} ${value}`)
      }
    }
    t.match(await call('POST', '/orders', { body: { ...good, totalCents: 1 } }), { status: 400 })
    t.match(await call('POST', '/orders', { body: '{"userId":1e400,"productId":1,"quantity":1}' }), {
      status: 400,
    })
  })

  t.test('an idempotency key makes a repeated order one order', async (t) => {
    const headers = { 'idempotency-key': 'order-1' }
    const body = { userId: 2, productId: 2, quantity: 1 }
    const [first, again] = await Promise.all([1, 2].map(() => call('POST', '/orders', { body, headers })))
    t.equal(first?.status, 201)
    t.same(again?.body, first?.body)
    t.equal((await call('POST', '/orders', { body: { ...body, quantity: 2 }, headers })).status, 422)
  })
})

t.test('with CACHE_PAGE_TTL_MS=0 a page is read and compressed for each request', async (t) => {
  const { call } = await startApi(t, { CACHE_PAGE_TTL_MS: '0' }, { redis: false })
  const answer = await call('GET', '/orders', { headers: { 'accept-encoding': 'gzip' } })
  t.equal(answer.headers['content-encoding'], 'gzip')
  t.equal(answer.headers['x-cache'], undefined)
  t.equal(JSON.parse(gunzipSync(answer.raw).toString()).items.length, 50)
})

t.test('with COMPRESSION=off nothing is compressed', async (t) => {
  const { call } = await startApi(t, { COMPRESSION: 'off' }, { redis: false })
  for (const path of ['/orders', '/users']) {
    const answer = await call('GET', path, { headers: { 'accept-encoding': 'gzip, br' } })
    t.equal(answer.headers['content-encoding'], undefined)
    t.equal(answer.body.items.length, 50)
  }
})
