import { execFileSync, type IOType, spawn } from 'node:child_process'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import t from 'tap'
import { eventually } from '../fixtures/eventually.ts'
import { findFreePair } from '../services.ts'
import { testDatabase } from '../test-helpers.ts'

const run = (
  name: string,
  args: string[],
  env: NodeJS.ProcessEnv = process.env,
  stdout: IOType | number = 'pipe',
) => {
  const script = fileURLToPath(new URL(`${name}.ts`, import.meta.url))
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', stdout, 'pipe'], env })
  const output = { stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    output.stdout += chunk
  })
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    output.stderr += chunk
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, output, ended }
}

for (const name of ['dev', 'start', 'stack']) {
  t.test(`${name} explains itself, and says what is wrong with an argument`, async (t) => {
    const help = run(name, ['--help'])
    const unknown = run(name, ['--fast'])
    const port = run(name, ['--', '--postgres-port', '70000'])
    const redis = run(name, ['--redis', 'two'])
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
  const stack = run('stack', ['--redis', 'off'])
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
  const start = run('start', ['--port', String(port)], env)
  t.equal(await start.ended, 1)
  t.match(start.output.stderr, `Port ${port} of 127.0.0.1, which reference-api should listen on, is taken`)
  t.match(start.output.stderr, /type: pnpm start --port \d+/)
})

/** The settings of a start on four free ports, with a database that is named in a file. */
const settingsOf = async (
  t: Parameters<typeof testDatabase>[0] & { testdir(content: Record<string, string>): string },
) => {
  const port = (await findFreePair('::1', 20_000 + (process.pid % 20_000))) ?? 0
  const folder = t.testdir({})
  const file = join(folder, 'url')
  writeFileSync(file, (await testDatabase(t)).url)
  const { PATH, HOME } = process.env
  const env = { PATH, HOME, HOST: '::1', PORT: `${port}`, DATABASE_URL_FILE: file, WORKER_THREADS: '1' }
  return { port, env, folder }
}

const statusOf = (url: string) =>
  fetch(url).then(
    ({ status }) => status,
    () => 0,
  )

t.test('start gives every setting to both services', async (t) => {
  const { port, env } = await settingsOf(t)
  const internal = (await findFreePair('::1', port + 10)) ?? 0
  const start = run('start', [], { ...env, INTERNAL_PORT: `${internal}` })
  t.teardown(() => start.child.kill('SIGKILL'))
  t.ok(await eventually(() => start.output.stdout.includes('Ctrl-C stops'), 60_000), start.output.stderr)
  t.match(start.output.stderr, /DATABASE_URL is set/)
  for (const offset of [0, 1]) {
    t.equal(await statusOf(`http://[::1]:${port + offset}/users/1`), 200)
    t.equal(await statusOf(`http://[::1]:${port + offset}/metrics`), 404)
    t.equal(await statusOf(`http://[::1]:${internal + offset}/metrics`), 200)
  }
  t.equal(await statusOf(`http://[::1]:${port + 1}/aggregate?limit=1`), 200, 'the upstream follows PORT')
  start.child.kill('SIGINT')
  t.equal(await start.ended, 0)
})

t.test('start ends whether its output is read or not', async (t) => {
  const { port, env, folder } = await settingsOf(t)
  const fifo = join(folder, 'fifo')
  execFileSync('mkfifo', [fifo])
  const fd = openSync(fifo, 'r+')
  t.teardown(() => closeSync(fd))
  const start = run('start', [], { ...env, REQUEST_LOG: 'on' }, fd)
  t.teardown(() => start.child.kill('SIGKILL'))
  t.ok(await eventually(async () => (await statusOf(`http://[::1]:${port + 1}/health`)) === 200, 60_000))
  const calls = async () => {
    for (let n = 0; n < 150; n++) await statusOf(`http://[::1]:${port}/health`)
  }
  await Promise.all(Array.from({ length: 10 }, calls))
  start.child.kill('SIGTERM')
  t.equal(await start.ended, 0)
})

t.test('wrong settings end a start before anything is started', async (t) => {
  const start = run('start', [], { PATH: process.env.PATH, PORT: '65535', CACHE_L1: 'yes' })
  t.equal(await start.ended, 78)
  t.match(start.output.stderr, /PORT: .*no port above/)
  t.match(start.output.stderr, /CACHE_L1/)
  t.notMatch(start.output.stderr, /starting|stopping/)
})
