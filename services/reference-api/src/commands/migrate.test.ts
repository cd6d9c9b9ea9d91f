import { runFile, withPath } from '@reference/cli/testing'
import { testDatabase } from '@reference/local-stack'
import { MIGRATIONS } from '@reference/shop'
import postgres from 'postgres'
import t from 'tap'

function migrate(args: string[], env: Record<string, string> = {}) {
  return runFile(new URL('./migrate.ts', import.meta.url), args, withPath(env))
}

t.test(
  'an empty database gets the newest schema, that of the job queue too; a second run changes nothing',
  async (t) => {
    const { url, superuserUrl } = await testDatabase(t, { from: 'empty' })
    // Migrations go past PgBouncer.
    const env = { DATABASE_URL: 'postgres://absent@127.0.0.1:1/none', DATABASE_DIRECT_URL: url }
    const lines = MIGRATIONS.map(({ name }) => `applied ${name}\n`).join('')
    t.match(await migrate([], env), {
      code: 0,
      stdout: new RegExp(`^${lines}applied the tables of the job queue, version \\d+\n$`),
      stderr: '',
    })
    t.match(await migrate([], env), {
      code: 0,
      stdout: 'nothing to apply: the schema is the newest\n',
      stderr: '',
    })
    const sql = postgres(superuserUrl, { max: 1 })
    t.teardown(() => sql.end())
    t.same(await sql`select from users`, [])
    t.same(await sql`select from pgboss.job`, [])
  },
)

t.test('wrong arguments, wrong settings and an unavailable server have their own exit codes', async (t) => {
  const env = { DATABASE_URL: 'postgres://absent@127.0.0.1:1/none' }
  const cases = [
    [migrate(['now'], env), 64, /now[\s\S]*pnpm db:migrate/],
    [migrate([]), 78, /DATABASE_URL: is required/],
    [migrate([], env), 1, /cannot be reached: .*ECONNREFUSED/],
  ] as const
  for (const [outcome, code, stderr] of cases) t.match(await outcome, { code, stderr })
  t.match(await migrate(['--help'], env), { code: 0, stdout: /DATABASE_DIRECT_URL/ })
})
