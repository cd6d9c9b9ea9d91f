import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { testDatabase } from '@reference/local-stack'
import postgres from 'postgres'
import t from 'tap'
import { faultsOf, type PlanNode, tablesWithoutIndex } from './plan.ts'
import { queries } from './queries/index.ts'
import { samples } from './samples.ts'

function run(command: 'explain' | 'slow', args: string[], env: Record<string, string> = {}) {
  const file = fileURLToPath(new URL(`./commands/${command}.ts`, import.meta.url))
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(
      process.execPath,
      [file, ...args],
      { env: { PATH: process.env.PATH, ...env } },
      (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    )
  })
}

t.test('every statement that the services send is explained', async (t) => {
  const names = Object.values(queries).flatMap((query) =>
    'name' in query && 'compiled' in query ? [query.name] : [],
  )
  const pages = [{}, { userId: 1 }, { status: 'paid' as const }, { userId: 1, status: 'paid' as const }]
  const all = [...names, ...pages.map((filter) => queries.ordersPage(filter).name)]
  t.same(samples.map(({ statement }) => statement.name).sort(), all.sort())
})

t.test('every hot statement uses an index; with it dropped, statement and table are named', async (t) => {
  const { url, superuserUrl } = await testDatabase(t)
  const sql = postgres(superuserUrl, { max: 1, onnotice: () => {} })
  t.teardown(() => sql.end())
  // Template databases are copied without their statistics being read yet.
  await sql`analyze`
  const env = { DATABASE_URL: url }
  const before = await sql`select count(*)::int as users from users`

  const all = await run('explain', [], env)
  t.match(all, { code: 0, stderr: '' })
  t.match(all.stdout, /^ok +user_by_id +1 +1 .* Index Scan users_pkey$/m)
  t.match(all.stdout, /^whole +report .* a report over all orders$/m)
  t.same(await sql`select count(*)::int as users from users`, before)
  const [next] = await sql`select nextval(pg_get_serial_sequence('users', 'id'))::int as id`
  t.equal(next?.id, 1001, 'no id was used up')

  const one = await run('explain', ['orders_page_by_user', '--plan'], env)
  t.match(one, { code: 0, stdout: /^orders_page_by_user\n {2}Limit .*\n[\s\S]*Buffers: shared hit/ })

  await sql`drop index orders_user_id_idx, orders_user_id_created_at_idx`
  const dropped = await run('explain', ['orders_page_by_user', 'user_by_id'], env)
  t.equal(dropped.code, 1)
  t.match(dropped.stderr, /^FAIL orders_page_by_user (reads all|looks at \d+ rows) of orders /m)
  t.match(dropped.stderr, /^FAIL orders \(user_id\): no index, so each delete in users reads all of it$/m)
  t.notMatch(dropped.stderr, 'user_by_id')

  await sql`alter table settings drop constraint settings_pkey`
  const json = await run('explain', ['setting_by_key', '--json'], env)
  t.equal(json.code, 1)
  t.match(json.stderr, /^FAIL setting_by_key has no index of settings to use for /m, 'small as it is')
  t.match(JSON.parse(json.stdout), { queries: [{ query: 'setting_by_key', faults: [String] }] })
})

t.test('the slowest statements are those of this database, with their figures', async (t) => {
  const { url, superuserUrl } = await testDatabase(t)
  const sql = postgres(url, { max: 1 })
  t.teardown(() => sql.end())
  for (let n = 0; n < 3; n++) await sql`select count(*) as marked from orders`
  const { code, stdout } = await run('slow', ['--by', 'calls', '--limit', '5000'], { DATABASE_URL: url })
  t.equal(code, 0)
  t.match(stdout, /^total ms +share +calls +mean ms +max ms +rows +hit +statement\n/)
  t.match(
    stdout,
    /^ *[\d.]+ +[\d.]+ % +3 +[\d.]+ +[\d.]+ +3 +[\d.]+ % +select count\(\*\) as marked from orders$/m,
  )
  const [first] = JSON.parse((await run('slow', ['--json', '--limit', '1'], { DATABASE_URL: url })).stdout)
  t.match(first, { query: String, calls: Number, totalMs: Number, share: Number })

  const refused = await run('slow', ['--reset'], { DATABASE_URL: url })
  t.match(refused, { code: 1, stderr: /^No statistics: .*permission denied/ })
  t.match(await run('slow', ['--reset'], { DATABASE_URL: superuserUrl }), { code: 0 })
  const left = await run('slow', ['--limit', '5000'], { DATABASE_URL: url })
  t.notMatch(left.stdout, 'as marked')

  const superuser = postgres(superuserUrl, { max: 1, onnotice: () => {} })
  t.teardown(() => superuser.end())
  await superuser`drop extension pg_stat_statements`
  t.match(await run('slow', [], { DATABASE_URL: url }), {
    code: 1,
    stderr: /loaded but not in this database: CREATE/,
  })
})

t.test(
  'wrong arguments are 64, a missing URL 78, a server that is away 1, each with a sentence',
  async (t) => {
    const env = { DATABASE_URL: 'postgres://127.0.0.1:1/none' }
    for (const [outcome, code, message] of [
      [run('explain', ['nothing'], env), 64, /No statement nothing; there are user_by_id/],
      [run('slow', ['--by', 'luck'], env), 64, /--by is one of total/],
      [run('slow', ['--limit', '0'], env), 64, /--limit/],
      [run('explain', []), 78, /DATABASE_URL must be set/],
      [run('slow', []), 78, /DATABASE_URL must be set/],
      [run('explain', [], env), 1, /Not explained: .*ECONNREFUSED/],
      [run('slow', [], env), 1, /No statistics: .*ECONNREFUSED/],
    ] as const) {
      t.match(await outcome, { code, stderr: message })
    }
    t.match(await run('explain', ['--help']), { code: 0, stdout: /^pnpm ops postgres explain/ })
    t.match(await run('slow', ['-h']), { code: 0, stdout: /^pnpm ops postgres slow/ })
  },
)

t.test(
  'a plan fails for a big table that is read whole, and for rows that it looked at in vain',
  async (t) => {
    const tables = new Map([
      ['orders', 50_000],
      ['products', 20],
    ])
    const scan = (node: Partial<PlanNode>): PlanNode => ({
      'Node Type': 'Limit',
      'Plan Rows': 1,
      Plans: [{ 'Node Type': 'Seq Scan', 'Plan Rows': 1, ...node }],
    })
    t.same(faultsOf(scan({ 'Relation Name': 'products' }), tables), [])
    t.same(faultsOf(scan({ 'Relation Name': 'orders', Filter: '(user_id = 42)' }), tables), [
      'reads all of orders (50000 rows): no index serves (user_id = 42)',
    ])
    const backwards = {
      'Node Type': 'Index Scan',
      'Relation Name': 'orders',
      'Index Name': 'orders_created_at_id_idx',
      'Actual Rows': 5,
      'Actual Loops': 1,
      'Rows Removed by Filter': 49_995,
      Filter: '(user_id = 42)',
    }
    t.same(faultsOf(scan(backwards), tables), [
      'looks at 50000 rows of orders for 5 of them (Index Scan of orders_created_at_id_idx, then (user_id = 42))',
    ])
    t.same(faultsOf(scan({ ...backwards, 'Rows Removed by Filter': 400 }), tables), [])
    t.same(tablesWithoutIndex(scan({ 'Relation Name': 'products', Filter: '(id = 1)' })), [
      'has no index of products to use for (id = 1)',
    ])
  },
)
