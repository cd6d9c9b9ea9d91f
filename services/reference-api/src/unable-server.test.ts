import t from 'tap'
import { startApi } from './testing/test-api.ts'

/** One of each class; `packages/database` has all of them. */
const CODES = ['53100', '53200', '53400', '55P03', '57000', '57014', '58030', '08006', '25006']

t.test('a Postgres that cannot work now answers with 503 and retry-after', async (t) => {
  const { call, sql } = await startApi(t)
  await sql`create table test_fault (code text)`
  await sql`insert into test_fault values (null)`
  await sql`grant select on test_fault to public`
  await sql`create function test_fault() returns trigger language plpgsql as $$
    declare fault text := (select code from test_fault);
    begin
      if fault is not null then raise exception using errcode = fault; end if;
      return new;
    end $$`
  const tables = ['users', 'orders', 'settings', 'pgboss.job', 'idempotency_keys']
  for (const table of tables) {
    await sql.unsafe(
      `create trigger test_fault before insert or update on ${table} for each row execute function public.test_fault()`,
    )
  }
  let number = 0
  const calls: Record<string, () => ReturnType<typeof call>> = {
    'POST /users': () =>
      call('POST', '/users', { body: { email: `${number++}@fault.example`, name: 'Fault' } }),
    'PATCH /users/1': () => call('PATCH', '/users/1', { body: { name: `Fault ${number++}` } }),
    'POST /orders': () => call('POST', '/orders', { body: { userId: 1, productId: 1, quantity: 1 } }),
    'PUT /config/fault': () => call('PUT', '/config/fault', { body: { value: number++ } }),
    // part:jobs
    'POST /process-data': () => call('POST', '/process-data', { body: { number: number++ } }),
    'POST /process-data with a key': () =>
      call('POST', '/process-data', { body: { a: 1 }, headers: { 'idempotency-key': `key-${number++}` } }),
    // end:jobs
  }
  for (const code of CODES) {
    await sql`update test_fault set code = ${code}`
    for (const [name, send] of Object.entries(calls)) {
      const { status, headers, body } = await send()
      t.match(
        { status, 'retry-after': headers['retry-after'], type: body?.title },
        { status: 503, 'retry-after': '1' },
        `${name}: ${code}`,
      )
    }
  }
  await sql`update test_fault set code = null`
  for (const [name, send] of Object.entries(calls)) t.ok((await send()).status < 300, name)
})
