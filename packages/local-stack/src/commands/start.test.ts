import { execFileSync } from 'node:child_process'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { until } from '@reference/async'
import t from 'tap'
import { findFreePair } from '../services.ts'
import { testDatabase } from '../testing/databases-and-redis.ts'
import { runScript } from '../testing/run-script.ts'

const START_LIMIT = { timeoutMs: 60_000 }

/** The address of IPv6 shows that a URL of it is written correctly. Containers often have none. */
const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
)
const HOST = hasIpv6 ? '::1' : '127.0.0.1'
const at = (port: number) => `http://${hasIpv6 ? `[${HOST}]` : HOST}:${port}`

/** The settings of a start on four free ports, with a database that is named in a file. */
async function settingsOf(
  t: Parameters<typeof testDatabase>[0] & { testdir(content: Record<string, string>): string },
) {
  const port = (await findFreePair(HOST, 20_000 + (process.pid % 12_000))) ?? 0
  const folder = t.testdir({})
  const file = join(folder, 'url')
  writeFileSync(file, (await testDatabase(t)).url)
  const { PATH, HOME } = process.env
  const env = { PATH, HOME, HOST, PORT: `${port}`, DATABASE_URL_FILE: file, WORKER_THREADS: '1' }
  return { port, env, folder }
}

const statusOf = (url: string) =>
  fetch(url).then(
    ({ status }) => status,
    () => 0,
  )

t.test('start gives every setting to both services', async (t) => {
  const { port, env } = await settingsOf(t)
  const internal = (await findFreePair(HOST, port + 10)) ?? 0
  const start = runScript('start', [], { ...env, INTERNAL_PORT: `${internal}` })
  t.teardown(() => start.child.kill('SIGKILL'))
  await until('both services run', () => start.output.stdout.includes('Ctrl-C stops'), START_LIMIT)
  t.match(start.output.stderr, /DATABASE_URL is set/)
  for (const offset of [0, 1]) {
    t.equal(await statusOf(`${at(port + offset)}/users/1`), 200)
    t.equal(await statusOf(`${at(port + offset)}/metrics`), 404)
    t.equal(await statusOf(`${at(internal + offset)}/metrics`), 200)
  }
  t.equal(await statusOf(`${at(port + 1)}/aggregate?limit=1`), 200, 'the upstream follows PORT')
  start.child.kill('SIGINT')
  t.equal(await start.ended, 0)
})

t.test('start ends whether its output is read or not', async (t) => {
  const { port, env, folder } = await settingsOf(t)
  const fifo = join(folder, 'fifo')
  execFileSync('mkfifo', [fifo])
  const fd = openSync(fifo, 'r+')
  t.teardown(() => closeSync(fd))
  const start = runScript('start', [], { ...env, REQUEST_LOG: 'on' }, fd)
  t.teardown(() => start.child.kill('SIGKILL'))
  await until(
    'the last service answers',
    async () => (await statusOf(`${at(port + 1)}/health`)) === 200,
    START_LIMIT,
  )
  const calls = async () => {
    for (let n = 0; n < 150; n++) await statusOf(`${at(port)}/health`)
  }
  await Promise.all(Array.from({ length: 10 }, calls))
  start.child.kill('SIGTERM')
  t.equal(await start.ended, 0)
})

t.test('wrong settings end a start before anything is started', async (t) => {
  const start = runScript('start', [], { PATH: process.env.PATH, PORT: '65535', CACHE_L1: 'yes' })
  t.equal(await start.ended, 78)
  t.match(start.output.stderr, /PORT: .*no port above/) // part:parallel-api
  t.match(start.output.stderr, /CACHE_L1/)
  t.notMatch(start.output.stderr, /starting|stopping/)
})
