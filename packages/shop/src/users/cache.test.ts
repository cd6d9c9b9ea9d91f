import t from 'tap'
import { open } from '../testing/open.ts'
import { userEntry } from './cache.ts'
import { usersByIds } from './queries.ts'

t.test(
  'users that are loaded together: a row that the API cannot represent fails only its caller',
  async (t) => {
    const { database } = await open(t, { poolMax: 1 })
    await database.primary.sql`alter table users drop constraint users_email_check`
    await database.primary.sql`update users set email = 'no-at-sign' where id = 2`
    const { load } = userEntry({ database, ttlMs: 1000 })
    const { signal } = new AbortController()
    const users = await Promise.allSettled([1, 2, 3, 999_999].map(async (id) => load(id, { signal })))
    t.match(users, [
      { status: 'fulfilled', value: { id: 1 } },
      { status: 'rejected', reason: { code: 'ROW_NOT_REPRESENTABLE', statusCode: 500 } },
      { status: 'fulfilled', value: { id: 3 } },
      { status: 'fulfilled', value: undefined },
    ])
    const [sent] = await database.primary.sql<object>`select generic_plans + custom_plans as times
    from pg_prepared_statements where statement = ${usersByIds.compiled().text}`
    t.same(sent, { times: 1 })
  },
)
