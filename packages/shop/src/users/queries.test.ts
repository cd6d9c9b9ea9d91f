import { MAX_ID } from '@reference/http/schemas'
import t from 'tap'
import { open } from '../testing/open.ts'
import { rowsOf } from '../testing/rows.ts'
import type { User } from './model.ts'
import { deleteUser, insertUser, updateUser, userById, usersByIds, usersPage } from './queries.ts'

t.test('a user has its JavaScript names, and its timestamp as toISOString writes it', async (t) => {
  const { primary } = (await open(t)).database
  t.same(await primary.first(userById, { id: 1 }), {
    id: 1,
    email: 'alan.almeida.1@example.com',
    name: 'Alan Almeida',
    createdAt: '2024-01-01T00:01:00.000Z',
  })
  t.equal(await primary.first(userById, { id: MAX_ID }), undefined)
  const byIds = await primary.run(usersByIds, { ids: [3, 1, 999_999] })
  t.same(byIds.map(({ id }) => id).sort(), [1, 3])
})

t.test('pages of users end where the rows do', async (t) => {
  const { primary } = (await open(t)).database
  let count = 0
  for (let after: number | undefined = 0; after !== undefined; ) {
    const rows: User[] = await rowsOf(primary, usersPage, { after, limit: 99 })
    count += rows.length
    after = rows.at(-1)?.id
  }
  t.equal(count, 1000)
})

t.test('a user is written, changed in part and deleted', async (t) => {
  const { primary } = (await open(t)).database
  const name = 'Zoë "\\" 🙂'
  const user = await primary.first(insertUser, { email: 'zoe@example.com', name })
  t.match(user, { id: 1001, email: 'zoe@example.com', name })
  const renamed = await primary.first(updateUser, { id: 1001, email: null, name: 'Zoe' })
  t.match(renamed, { email: 'zoe@example.com', name: 'Zoe', createdAt: user?.createdAt })
  t.same(await primary.first(deleteUser, { id: 1001 }), { id: 1001 })
  t.equal(await primary.first(deleteUser, { id: 1001 }), undefined)
  t.equal(await primary.first(updateUser, { id: 1001, email: null, name: 'Absent' }), undefined)
})

t.test('a list is byte for byte what JSON.stringify makes', async (t) => {
  const { primary } = (await open(t)).database
  const awkward = '" \\ / \b\f\n\r\t \u0001\u001f\u007f é 🙂 \u2028 </script>'
  await primary.sql`update users set name = ${awkward}::text, created_at = '2024-02-29 23:59:59.987Z' where id = 2`
  const limit = 50
  const ids = Array.from({ length: limit }, (_, index) => index + 1)
  const rows = (await primary.run(usersByIds, { ids })).sort((one, other) => one.id - other.id)
  const bytes = await primary.bytes(usersPage, { after: 0, limit })
  t.equal(String(usersPage.encode(bytes)), JSON.stringify(rows))
  t.equal(String(usersPage.encode(await primary.bytes(usersPage, { after: MAX_ID, limit }))), '[]')
})
