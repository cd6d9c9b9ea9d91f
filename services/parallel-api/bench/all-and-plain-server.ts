import { createDatabase } from '@reference/database'
import { createServer } from '@reference/http'
import { POOLS } from '@reference/shop'
import postgres from 'postgres'
import { allRoute } from '../src/routes/all.ts'

/** Serves `GET /all` as shipped and `GET /plain`, which builds the same reply the usual way. Sends its origin to the parent process. */
const [, , url = ''] = process.argv
const database = createDatabase({ url, poolSizes: POOLS['parallel-api'], applicationName: 'parallel-api' })
const sql = postgres(url, { max: 25 })
const app = await createServer({ service: 'bench', version: '0', logLevel: 'error' })
allRoute(app, { database, config: { parallelFetch: true, sharedReads: false }, deadlines: { allMs: 5_000 } })
app.get<{ Querystring: { limit: string } }>('/plain', async (request, reply) => {
  const limit = Number(request.query.limit)
  const [users, orders, products] = await Promise.all([
    sql`select id, email, name, created_at as "createdAt" from users order by id limit ${limit}`,
    sql`select id::int, user_id as "userId", product_id as "productId", quantity, total_cents::float8 as "totalCents",
      status, created_at as "createdAt" from orders order by created_at desc, orders.id desc limit ${limit}`,
    sql`select id, name, category, price_cents as "priceCents" from products order by id limit ${limit}`,
  ])
  return reply.type('application/json; charset=utf-8').send(JSON.stringify({ users, orders, products }))
})
app.get('/cpu', () => process.cpuUsage())
process.send?.(await app.listen({ host: '127.0.0.1', port: 0 }))
