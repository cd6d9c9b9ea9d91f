import { execFile } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { REPOSITORY_ROOT } from '@reference/cli'
import { startPostgres, testRedis } from '@reference/local-stack'
import { Redis } from 'ioredis'
import postgres from 'postgres'
import t, { type Test } from 'tap'

interface Line {
  setting: string
  server: string | null
  rule: string
  state: 'same' | 'differs' | 'unknown'
  needs: string | null
  reason: string
}
interface Report {
  server: { engine: string; address: string; version: string }
  machine: { memory: number; cpus: number; workload: string }
  lines: Line[]
}

function run(args: readonly string[], input = ''): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const command = ['tools/run.js', 'tools/infra/diff-main.ts', ...args]
    const child = execFile(
      process.execPath,
      command,
      { cwd: REPOSITORY_ROOT, timeout: 60_000 },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, stdout, stderr })
      },
    )
    child.stdin?.end(input)
  })
}

async function report(t: Test, ...args: string[]): Promise<Report> {
  const { code, stdout, stderr } = await run([...args, '--json'])
  t.equal(code, 0, stderr)
  return JSON.parse(stdout)
}

const stateOf = ({ lines }: Report, name: string) => lines.find(({ setting }) => setting === name)?.state

/** Every line has a reason that is a sentence, and no other state than what its values say. */
function checkLines(t: Test, { lines }: Report): void {
  t.ok(lines.length > 20, `${lines.length} lines`)
  for (const { setting, reason, server, state } of lines) {
    t.match(reason, /\S+ \S+ \S+ \S+/, `${setting}: ${reason}`)
    t.equal(state === 'unknown', server === null, setting)
  }
}

t.test(
  'a Postgres with default settings: each line with its value, the value of the rule and the reason',
  async (t) => {
    const server = await startPostgres({ config: 'default' })
    t.teardown(() => server.stop())
    const { password } = new URL(server.superuserUrl)
    const found = await report(t, server.superuserUrl, '--memory', '8g', '--cpus', '4')
    checkLines(t, found)
    t.match(found.server, { engine: 'postgres', version: /^PostgreSQL 1\d/ })
    t.match(found.machine, { memory: 8192, cpus: 4, workload: 'mixed' })
    const line = (name: string) => found.lines.find(({ setting }) => setting === name)
    t.match(line('shared_buffers'), { server: '128MB', rule: '2048MB', state: 'differs', needs: 'restart' })
    t.match(line('random_page_cost'), { server: '4', rule: '1.1', state: 'differs', needs: null })
    t.match(line('checkpoint_completion_target'), { state: 'same' })
    t.match(line('pg_stat_statements.max'), { server: null, state: 'unknown' })

    const table = await run([server.superuserUrl, '--memory', '8g', '--cpus', '4'])
    t.match(table.stdout, /≠ {2}shared_buffers +128MB +2048MB +restart +25 % of the memory/)
    for (const { setting, reason } of found.lines) {
      t.ok(table.stdout.includes(` ${setting} `) && table.stdout.includes(reason), setting)
    }
    t.notOk((table.stdout + JSON.stringify(found)).includes(password), 'no password')
    t.notOk(found.server.address.includes('@'))
  },
)

t.test('a setting that the reader applies becomes the same, in whatever unit it is written', async (t) => {
  const settings = { shared_buffers: '64MB', work_mem: '16384kB', jit: '0' }
  const server = await startPostgres({ config: 'default', settings })
  t.teardown(() => server.stop())
  const found = await report(t, server.superuserUrl, '--memory', '8g', '--cpus', '4')
  t.equal(stateOf(found, 'work_mem'), 'same')
  t.equal(stateOf(found, 'jit'), 'same')
  t.equal(stateOf(found, 'shared_buffers'), 'differs')
})

t.test('it may be run by a role that can only read, and writes nothing', async (t) => {
  const server = await startPostgres({ config: 'default' })
  t.teardown(() => server.stop())
  const sql = postgres(server.superuserUrl, { max: 1, onnotice: () => {} })
  t.teardown(() => sql.end())
  await sql`create role reader login password 'only-reads' connection limit 2`
  await sql`alter role reader set default_transaction_read_only = on`
  const [before] =
    await sql`select pg_current_wal_insert_lsn()::text as lsn, (select max(oid)::text from pg_class)`
  const url = Object.assign(new URL(server.superuserUrl), { username: 'reader', password: 'only-reads' })
  const found = await run(['-', '--json'], `${url.href}\n`)
  t.equal(found.code, 0, found.stderr)
  t.match(JSON.parse(found.stdout).machine, { cpus: Math.min(64, availableParallelism()) }, 'this machine')
  t.same(await sql`select pg_current_wal_insert_lsn()::text as lsn, (select max(oid)::text from pg_class)`, [
    before,
  ])
})

t.test('a Postgres with the file of infra is as the rule has it for its container', async (t) => {
  const server = await startPostgres()
  t.teardown(() => server.stop())
  const found = await report(t, server.superuserUrl, '--memory', '1280m', '--cpus', '2')
  t.same(
    found.lines.filter(({ state }) => state !== 'same'),
    [],
  )
})

t.test('a Redis with its own settings and one with those of infra', async (t) => {
  const redis = await testRedis(t, { own: true, settings: { 'maxmemory-policy': 'noeviction' } })
  const found = await report(t, redis.url, '--memory', '512m')
  checkLines(t, found)
  t.same(
    found.lines.filter(({ state }) => state !== 'same').map(({ setting }) => setting),
    ['maxmemory-policy'],
  )
  const machine = (await report(t, redis.url)).machine
  t.ok(machine.memory > 512, 'the memory of this machine')
  const client = new Redis(redis.url)
  t.teardown(() => client.disconnect())
  t.equal(await client.dbsize(), 0)
})

t.test(
  'a server that refuses the login, one that is absent, and a wrong URL: a sentence without the password',
  async (t) => {
    const server = await startPostgres({ config: 'default' })
    t.teardown(() => server.stop())
    const secret = 'do-not-print-me'
    const refused = Object.assign(new URL(server.superuserUrl), { password: secret })
    const cases: [url: string, code: number, message: RegExp][] = [
      [refused.href, 1, /could not be read: password authentication failed/],
      [`postgres://u:${secret}@127.0.0.1:1/x`, 1, /could not be read: .*ECONNREFUSED/],
      [`redis://:${secret}@127.0.0.1:1`, 1, /could not be read: .*ECONNREFUSED/],
      [`mysql://u:${secret}@127.0.0.1:1/x`, 1, /could not be read: .*ECONNREFUSED/], // part:mysql
      [`http://u:${secret}@127.0.0.1`, 64, /begins with one of postgres:/],
      [`postgres://u:${secret}@host:port/`, 64, /begins with one of postgres:/],
    ]
    for (const [url, code, message] of cases) {
      const { stdout, stderr, ...ended } = await run([url, '--memory', '8g', '--cpus', '2'])
      t.equal(ended.code, code, url)
      t.match(stderr, message)
      t.notOk((stdout + stderr).includes(secret), stderr)
      t.notMatch(stderr, /^ {4}at /m)
    }
  },
)
