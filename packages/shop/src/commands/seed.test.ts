import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runFile, withPath } from '@reference/cli/testing'
import { testDatabase } from '@reference/local-stack'
import t from 'tap'
import { migrate } from '../migrate.ts'

function seed(args: string[], env: Record<string, string> = {}) {
  return runFile(new URL('./seed.ts', import.meta.url), args, withPath(env))
}

t.test('the command fills a migrated database, and does nothing when it has rows', async (t) => {
  const { url } = await testDatabase(t, { from: 'empty' })
  const folder = await mkdtemp(join(tmpdir(), 'database-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const secret = join(folder, 'url')
  await writeFile(secret, `${url}\n`)
  const missing = { DATABASE_URL: 'postgres://127.0.0.1:1/none' }

  await migrate({ url })
  const counts = ['--users', '20', '--products', '5', '--orders=100']
  const seeded = await seed(counts, { ...missing, DATABASE_DIRECT_URL_FILE: secret })
  t.match(seeded, { code: 0, stdout: /^20 users, 5 products, 100 orders in [\d.]+ s\n$/, stderr: '' })
  t.match(await seed(['--', ...counts], { DATABASE_URL: url }), { code: 0, stdout: /nothing done/ })
})

t.test('wrong arguments, a missing URL and an unavailable server have their own exit codes', async (t) => {
  const env = { DATABASE_URL: 'postgres://127.0.0.1:1/none' }
  for (const [outcome, code, message] of [
    [seed(['--orders', '-5'], env), 64, /--orders/],
    [seed(['--orders', '1e3'], env), 64, /--orders takes a whole number/],
    [seed(['--rows', '5'], env), 64, /--rows/],
    [seed(['--users', '0'], env), 64, /at least one user/],
    [seed([]), 78, /DATABASE_URL must be set/],
    [seed([], { DATABASE_URL_FILE: '/nowhere/url' }), 78, /DATABASE_URL_FILE: cannot be read: ENOENT/],
    [seed([], env), 1, /Not seeded: .*ECONNREFUSED/],
  ] as const) {
    t.match(await outcome, { code, stderr: message })
  }
  t.match(await seed(['--help']), { code: 0, stdout: /--orders N/ })
})
