import { createServer } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { until } from '@reference/async'
import { REPOSITORY_ROOT } from '@reference/cli'
import { runFile } from '@reference/cli/testing'
import postgres from 'postgres'
import t from 'tap'
import { runScript } from '../testing/run-script.ts'

const MIGRATE = pathToFileURL(join(REPOSITORY_ROOT, 'services/reference-api/src/commands/migrate.ts'))

for (const name of ['dev', 'start', 'stack']) {
  t.test(`${name} prints help, and names a wrong argument`, async (t) => {
    const help = runScript(name, ['--help'])
    const unknown = runScript(name, ['--fast'])
    const port = runScript(name, ['--', '--postgres-port', '70000'])
    const redis = runScript(name, ['--redis', 'two'])
    t.equal(await help.ended, 0)
    t.match(help.output.stdout, new RegExp(`^pnpm ${name} \\[options\\]`))
    t.equal(await unknown.ended, 64)
    t.match(unknown.output.stderr, /--fast/)
    t.equal(await port.ended, 64)
    t.match(port.output.stderr, /--postgres-port takes a whole number from 1 to 65535, got '70000'/)
    t.equal(await redis.ended, 64)
    t.match(redis.output.stderr, /--redis is one of single, cluster, off, got 'two'/)
  })
}

t.test('stack prints the lines to export, db:migrate finds it, and Ctrl-C stops its servers', async (t) => {
  const environment = { ...process.env, LOCAL_STACKS_FOLDER: t.testdir({}) }
  const stack = runScript('stack', ['--redis', 'off'], environment)
  t.teardown(() => stack.child.kill('SIGKILL'))
  await until('the stack runs', () => stack.output.stderr.includes('Ctrl-C'), { timeoutMs: 60_000 })
  const url = /^export DATABASE_URL='(.*)'$/m.exec(stack.output.stdout)?.[1] ?? ''
  t.notMatch(stack.output.stdout, 'REDIS')
  const sql = postgres(url, { max: 1, connect_timeout: 5 })
  t.same(await sql`SELECT 1 AS one`, [{ one: 1 }])
  const migrate = () => runFile(MIGRATE, [], { ...environment, DATABASE_URL: '' })
  const first = await migrate()
  t.match(first, {
    code: 0,
    stdout: /^applied 0000_tables$/m,
    stderr: /the database is that of pnpm stack \(process \d+\)/,
  })
  t.match(await sql`SELECT count(*) FROM users`, [{ count: '0' }])
  t.match(await migrate(), { code: 0, stdout: 'nothing to apply: the schema is the newest\n' })
  await sql.end()
  stack.child.kill('SIGINT')
  t.equal(await stack.ended, 0)
  await t.rejects(postgres(url, { max: 1 })`SELECT 1`, { code: 'ECONNREFUSED' })
})

t.test('start names a taken port, and leaves nothing running', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const env = { ...process.env, DATABASE_URL: 'postgres://app@127.0.0.1:1/none' }
  const start = runScript('start', ['--port', String(port)], env)
  t.equal(await start.ended, 1)
  t.match(start.output.stderr, `Port ${port} of 127.0.0.1, which reference-api should listen on, is taken`)
  if (process.platform === 'linux') t.match(start.output.stderr, `process ${process.pid} (`)
  t.match(start.output.stderr, /type: pnpm start --port \d+/)
  const stack = runScript('stack', ['--redis', 'off', '--postgres-port', String(port)])
  t.equal(await stack.ended, 1)
  t.match(stack.output.stderr, /^Port \d+, which Postgres should listen on, is taken: .* listens there\.\n/)
})
