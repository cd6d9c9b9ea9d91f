import t from 'tap'
import { startApi } from '../testing.ts'

t.test(
  'a report that runs out of heap is a 500 that says so, and the next one gets a new thread',
  async (t) => {
    const { get, sql } = await startApi(t, {}, { reportHeapMb: 24 })
    t.equal((await get('/report')).status, 200, 'it is enough for few groups')
    // A group each: some 25 MB of them.
    await sql`insert into orders (user_id, product_id, quantity, total_cents, created_at)
    select 1, 1, 1, 7, timestamptz '2100-01-01' + day * interval '1 day' from generate_series(1, 250000) as day`
    t.match(await get('/report'), { status: 500, body: { code: 'WORKER_CRASHED' } })
    t.equal((await get('/health')).status, 200)
    await sql`delete from orders where total_cents = 7`
    t.equal((await get('/report')).status, 200)
  },
)
