import { runFile, withPath } from '@reference/cli/testing'
import { testDatabase } from '@reference/local-stack'
import postgres from 'postgres'
import t from 'tap'

function run(args: string[], env: Record<string, string> = {}) {
  return runFile(new URL('./slow.ts', import.meta.url), args, withPath(env))
}

t.test('the slowest statements are those of this database, with their figures', async (t) => {
  const { url, superuserUrl } = await testDatabase(t)
  const sql = postgres(url, { max: 1 })
  t.teardown(() => sql.end())
  for (let n = 0; n < 3; n++) await sql`select count(*) as marked from orders`
  const { code, stdout } = await run(['--by', 'calls', '--limit', '5000'], { DATABASE_URL: url })
  t.equal(code, 0)
  t.match(stdout, /^total ms +share +calls +mean ms +max ms +rows +hit +statement\n/)
  t.match(
    stdout,
    /^ *[\d.]+ +[\d.]+ % +3 +[\d.]+ +[\d.]+ +3 +[\d.]+ % +select count\(\*\) as marked from orders$/m,
  )
  const [first] = JSON.parse((await run(['--json', '--limit', '1'], { DATABASE_URL: url })).stdout)
  t.match(first, { query: String, calls: Number, totalMs: Number, share: Number })

  const refused = await run(['--reset'], { DATABASE_URL: url })
  t.match(refused, { code: 1, stderr: /^No statistics: .*permission denied/ })
  t.match(await run(['--reset'], { DATABASE_URL: superuserUrl }), { code: 0 })
  const left = await run(['--limit', '5000'], { DATABASE_URL: url })
  t.notMatch(left.stdout, 'as marked')

  const superuser = postgres(superuserUrl, { max: 1, onnotice: () => {} })
  t.teardown(() => superuser.end())
  await superuser`drop extension pg_stat_statements`
  t.match(await run([], { DATABASE_URL: url }), {
    code: 1,
    stderr: /loaded but not in this database: CREATE/,
  })
})

t.test('wrong arguments, a missing URL and an unavailable server have their own exit codes', async (t) => {
  const env = { DATABASE_URL: 'postgres://127.0.0.1:1/none' }
  for (const [outcome, code, message] of [
    [run(['--by', 'luck'], env), 64, /--by is one of total/],
    [run(['--limit', '0'], env), 64, /--limit/],
    [run([]), 78, /DATABASE_URL must be set/],
    [run([], env), 1, /No statistics: .*ECONNREFUSED/],
  ] as const) {
    t.match(await outcome, { code, stderr: message })
  }
  t.match(await run(['-h']), { code: 0, stdout: /^pnpm ops postgres slow/ })
})
