import { runFile, withPath } from '@reference/cli/testing'
import { testDatabase } from '@reference/local-stack'
import postgres from 'postgres'
import t from 'tap'
import { STATEMENTS } from '../statements.ts'

function run(args: string[], env: Record<string, string> = {}) {
  return runFile(new URL('./explain.ts', import.meta.url), args, withPath(env))
}

t.test('every statement has a sample to explain it with, and a name of its own', async (t) => {
  t.same(
    STATEMENTS.filter(({ sample }) => sample === undefined).map(({ name }) => name),
    [],
  )
  t.equal(new Set(STATEMENTS.map(({ name }) => name)).size, STATEMENTS.length)
  t.ok(
    STATEMENTS.some(({ name }) => name === 'orders_page_by_user'),
    'those in an exported object too',
  )
})

t.test(
  'every statement uses an index or says why not; without its index, statement and table are named',
  async (t) => {
    const { url, superuserUrl } = await testDatabase(t)
    const sql = postgres(superuserUrl, { max: 1, onnotice: () => {} })
    t.teardown(() => sql.end())
    // Template databases are copied without their statistics being read yet.
    await sql`analyze`
    const env = { DATABASE_URL: url }
    const before = await sql`select count(*)::int as users from users`

    const all = await run([], env)
    t.match(all, { code: 0, stderr: '' })
    t.match(all.stdout, /^ok +user_by_id +1 +1 .* Index Scan users_pkey$/m)
    t.match(all.stdout, /^whole +report .* a report over all orders$/m) // part:parallel-api
    t.same(await sql`select count(*)::int as users from users`, before)
    const [next] = await sql`select nextval(pg_get_serial_sequence('users', 'id'))::int as id`
    t.equal(next?.id, 1001, 'no id was used up')

    const one = await run(['orders_page_by_user', '--plan'], env)
    t.match(one, { code: 0, stdout: /^orders_page_by_user\n {2}Aggregate .*\n[\s\S]*Buffers: shared hit/ })

    await sql`drop index orders_user_id_idx, orders_user_id_created_at_idx`
    const dropped = await run(['orders_page_by_user', 'user_by_id'], env)
    t.equal(dropped.code, 1)
    t.match(dropped.stderr, /^FAIL orders_page_by_user (reads all|looks at \d+ rows) of orders /m)
    t.match(dropped.stderr, /^FAIL orders \(user_id\): no index, so each delete in users reads all of it$/m)
    t.notMatch(dropped.stderr, 'user_by_id')

    await sql`alter table settings drop constraint settings_pkey`
    const json = await run(['setting_by_key', '--json'], env)
    t.equal(json.code, 1)
    t.match(json.stderr, /^FAIL setting_by_key has no index of settings to use for /m, 'small as it is')
    t.match(JSON.parse(json.stdout), { queries: [{ query: 'setting_by_key', faults: [String] }] })
  },
)

t.test('wrong arguments, a missing URL and an unavailable server have their own exit codes', async (t) => {
  const env = { DATABASE_URL: 'postgres://127.0.0.1:1/none' }
  for (const [outcome, code, message] of [
    [run(['nothing'], env), 64, /No statement nothing; there are .*user_by_id/],
    [run([]), 78, /DATABASE_URL must be set/],
    [run([], env), 1, /Not explained: .*ECONNREFUSED/],
  ] as const) {
    t.match(await outcome, { code, stderr: message })
  }
  t.match(await run(['--help']), { code: 0, stdout: /^pnpm ops postgres explain/ })
})
