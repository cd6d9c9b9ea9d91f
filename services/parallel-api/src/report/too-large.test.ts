import t from 'tap'
import { startApi } from '../testing/test-api.ts'
import { MAX_GROUPS } from './groups.ts'

t.test(
  'a report with too many groups is a 500 with REPORT_TOO_LARGE; one at the limit is answered',
  async (t) => {
    const { get, sql } = await startApi(t)
    const { rows } = (await get('/report')).body
    const room = MAX_GROUPS - rows.length
    await sql`insert into orders (user_id, product_id, quantity, total_cents, created_at)
    select 1, 1, 1, 7, timestamptz '2100-01-01' + day * interval '1 day' from generate_series(1, ${room + 1}) as day`
    t.match(await get('/report'), { status: 500, body: { code: 'REPORT_TOO_LARGE' } })
    t.equal((await get('/health')).status, 200)
    await sql`delete from orders where total_cents = 7 and created_at < '2100-01-03'`
    const { status, body } = await get('/report')
    t.equal(status, 200, `the heap of the thread is large enough: ${body.code}`)
    t.equal(body.rows.length, MAX_GROUPS)
  },
)
