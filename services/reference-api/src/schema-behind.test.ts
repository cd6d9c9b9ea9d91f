import { startService, testDatabase, until } from '@reference/local-stack'
import postgres from 'postgres'
import t from 'tap'
import { createCall } from './testing/test-api.ts'

t.test('a service on an older schema says what is missing in /ready and in its log only', async (t) => {
  const { apiUrl, superuserUrl } = await testDatabase(t)
  const sql = postgres(superuserUrl, { max: 1 })
  t.teardown(() => sql.end())
  const newest = 'created_at = (select max(created_at) from drizzle.__drizzle_migrations)'
  const [row] = await sql.unsafe(
    `delete from drizzle.__drizzle_migrations where ${newest} returning hash, created_at`,
  )
  await sql`alter table users rename column name to full_name`
  await sql`alter table settings rename to former_settings`

  const service = startService(t, 'reference-api', { DATABASE_URL: apiUrl })
  const call = createCall(await service.listening(60_000))
  const degraded = await call('GET', '/ready')
  t.equal(degraded.status, 200)
  t.equal(degraded.body.status, 'degraded')
  t.match(
    degraded.body.checks.find(({ name }: { name: string }) => name === 'migrations'),
    { status: 'degraded', error: 'MIGRATIONS_NOT_APPLIED', reason: 'not applied: 0003_cache_registrations' },
  )

  for (const [path, statement, reason] of [
    ['/users/1', 'user_by_id', 'column "name" does not exist'],
    ['/config/theme', 'setting_by_key', 'relation "settings" does not exist'],
  ] as const) {
    const { status, headers, raw, body } = await call('GET', path)
    t.equal(status, 500)
    t.match(headers['content-type'], 'application/problem+json')
    t.match(body, { code: 'INTERNAL_ERROR', detail: 'Something failed in the service' })
    t.notMatch(raw.toString(), /does not exist|migrat|statement/i)
    const line = await until('the failure is logged', () => {
      const lines = service.output.text.split('\n').filter((each) => each.includes('"request failed"'))
      return lines.find((each) => each.includes(path))
    })
    t.match(JSON.parse(line).err, { statement, message: reason })
    t.match(line, 'type: pnpm db:migrate')
  }

  await sql`insert into drizzle.__drizzle_migrations ${sql(row ?? {})}`
  t.equal((await call('GET', '/ready')).body.status, 'ok')
})
