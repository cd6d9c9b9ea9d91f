import { createServer } from 'node:net'
import postgres from 'postgres'
import t from 'tap'
import { eventually } from '../fixtures/eventually.ts'
import { runScript } from '../fixtures/run-script.ts'

for (const name of ['dev', 'start', 'stack']) {
  t.test(`${name} explains itself, and says what is wrong with an argument`, async (t) => {
    const help = runScript(name, ['--help'])
    const unknown = runScript(name, ['--fast'])
    const port = runScript(name, ['--', '--postgres-port', '70000'])
    const redis = runScript(name, ['--redis', 'two'])
    t.equal(await help.ended, 0)
    t.match(help.output.stdout, new RegExp(`^pnpm ${name} \\[options\\]`))
    t.equal(await unknown.ended, 64)
    t.match(unknown.output.stderr, /--fast/)
    t.equal(await port.ended, 64)
    t.match(port.output.stderr, /--postgres-port is a port from 1 to 65535, not 70000/)
    t.equal(await redis.ended, 64)
    t.match(redis.output.stderr, /--redis is one of single, cluster, off, not two/)
  })
}

t.test('stack prints what to export and stops all at Ctrl-C', async (t) => {
  const stack = runScript('stack', ['--redis', 'off'])
  t.teardown(() => stack.child.kill('SIGKILL'))
  t.ok(await eventually(() => stack.output.stderr.includes('Ctrl-C'), 60_000))
  const url = /^export DATABASE_URL='(.*)'$/m.exec(stack.output.stdout)?.[1] ?? ''
  t.notMatch(stack.output.stdout, 'REDIS')
  const sql = postgres(url, { max: 1, connect_timeout: 5 })
  t.same(await sql`SELECT 1 AS one`, [{ one: 1 }])
  await sql.end()
  stack.child.kill('SIGINT')
  t.equal(await stack.ended, 0)
  await t.rejects(postgres(url, { max: 1 })`SELECT 1`, { code: 'ECONNREFUSED' })
})

t.test('start names a port that is taken, and leaves nothing running', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const env = { ...process.env, DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' }
  const start = runScript('start', ['--port', String(port)], env)
  t.equal(await start.ended, 1)
  t.match(start.output.stderr, `Port ${port} of 127.0.0.1, which reference-api should listen on, is taken`)
  t.match(start.output.stderr, /type: pnpm start --port \d+/)
})
