import { startService, type TestScope, type TestService, testDatabase, until } from '@reference/local-stack'
import postgres from 'postgres'
import t from 'tap'
import { createCall } from './testing/test-api.ts'

/**
 * An API that has answered `PUT /config/held` and cannot yet read the setting again: the test holds the table. Its lock
 * is asked for while the change waits for another transaction, so the server gives it right after the change.
 */
async function withHeldTask(t: TestScope): Promise<{ api: TestService; release: () => Promise<void> }> {
  const { url, superuserUrl } = await testDatabase(t)
  const connect = () => {
    const sql = postgres(superuserUrl, { max: 1, onnotice: () => {} })
    t.teardown(() => sql.end({ timeout: 1 }))
    return sql
  }
  const [first, second, watcher] = [connect(), connect(), connect()]
  const api = startService(t, 'reference-api', { DATABASE_URL: url, SHUTDOWN_TIMEOUT_MS: '20000' })
  const call = createCall(await api.listening())
  const waiting = (count: number) =>
    until(`${count} wait for a lock`, async () => {
      const rows = await watcher`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
      return rows.length === count
    })

  const release = Promise.withResolvers<void>()
  let held: Promise<unknown> = Promise.resolve()
  let put: ReturnType<typeof call> | undefined
  await first.begin(async (sql) => {
    await sql`insert into settings (key, value) values ('held', '1')`
    put = call('PUT', '/config/held', { body: { value: 2 } })
    await waiting(1)
    held = second.begin(async (sql) => {
      await sql`lock table settings in access exclusive mode`
      await release.promise
    })
    await waiting(2)
  })
  if ((await put)?.status !== 200) throw new Error('The setting was not put.')
  await waiting(1)
  return {
    api,
    release: async () => {
      release.resolve()
      await held
    },
  }
}

t.test('shutdown completes although a load after a reply is still waiting', async (t) => {
  const { api, release } = await withHeldTask(t)
  t.equal(await api.end('SIGTERM'), 0)
  t.match(api.output.text, 'shutdown begins')
  t.notMatch(api.output.text, /uncaught|unhandled/i)
  await release()
})
