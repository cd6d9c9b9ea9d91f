import t from 'tap'
import { startApi } from './testing/test-api.ts'

for (const isolation of ['serializable', 'repeatable read']) {
  t.test(
    `where ${isolation} is the default of the database, concurrent writes are all answered`,
    async (t) => {
      const first = await startApi(t)
      await first.sql.unsafe(
        `alter database ${first.database.name} set default_transaction_isolation = '${isolation}'`,
      )
      const { call } = await startApi(t, {}, { on: first })
      const answers = await Promise.all([
        ...Array.from({ length: 30 }, (_, n) => call('PATCH', '/users/1', { body: { name: `Name ${n}` } })),
        ...Array.from({ length: 10 }, () =>
          call('POST', '/orders', { body: { userId: 1, productId: 1, quantity: 1 } }),
        ),
        ...Array.from({ length: 10 }, (_, n) =>
          call('POST', '/users', {
            body: { email: 'one@example.com', name: 'One' },
            headers: { 'idempotency-key': `key-${n % 2}` },
          }),
        ),
        ...Array.from({ length: 10 }, () => call('GET', '/users?limit=5')),
      ])
      const statuses = answers.map(({ status }) => status)
      t.same(new Set(statuses.slice(0, 30)), new Set([200]))
      t.same(new Set(statuses.slice(30, 40)), new Set([201]))
      t.same(new Set(statuses.slice(40, 50)), new Set([201, 409]), 'a taken email is a 409 as ever')
      t.same(new Set(statuses.slice(50)), new Set([200]))
      const [row] = await first.sql`select count(*)::int as count from users where email = 'one@example.com'`
      t.same(row, { count: 1 })
    },
  )
}

t.test('every call is answered while its tables are altered', async (t) => {
  const { call, sql } = await startApi(t, { DB_POOL_MAX: '3' })
  let n = 0
  const round = async () => {
    n++
    const id = 1 + (n % 50)
    const calls = [
      call('POST', '/users', { body: { email: `${n}@example.com`, name: `Name ${n}` } }),
      call('PATCH', `/users/${id}`, { body: { name: `Other ${n}` } }),
      call('POST', '/orders', { body: { userId: id, productId: 1, quantity: 1 } }),
      call('GET', `/users/${100 + n}`),
      call('GET', '/users?limit=5'),
      call('GET', '/orders?limit=5'),
      call('PUT', '/config/some.key', { body: { value: n } }),
      call('POST', '/process-data', { body: { n } }), // part:jobs
    ]
    const statuses = (await Promise.all(calls)).map(({ status, body }) => body?.code ?? status)
    const accepted: unknown[] = [201, 200, 201, 200, 200, 200, n === 1 ? 201 : 200]
    accepted.push(202) // part:jobs
    t.same(statuses, accepted)
  }
  for (let i = 0; i < 5; i++) await round()
  for (const change of [
    'alter table users alter column name type text',
    'alter table users add column nickname text',
    'alter table orders alter column status type text',
    'alter table users drop column nickname',
    'alter table settings alter column key type varchar(200)',
  ]) {
    await sql.unsafe(change)
    await round()
    await round()
  }
})
