import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import t from 'tap'
import { startPostgres, throwAwaySettings } from './index.ts'
import { POSTGRES_CONFIG_FILE } from './postgres.ts'
import { openFolder } from './testing/open-folder.ts'

/** `name = value` of each line of the file, without quotes and comments. */
async function linesOf(file: string): Promise<Map<string, string>> {
  const text = await readFile(file, 'utf8')
  return new Map(
    text.split('\n').flatMap((line) => {
      const [, name, quoted, plain] = /^([A-Za-z_.]+)\s*=\s*(?:'([^']*)'|([^#\s]*))/.exec(line) ?? []
      return name === undefined ? [] : [[name, quoted ?? plain ?? ''] as const]
    }),
  )
}

const sizes: Record<string, number> = { B: 1, kB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30, TB: 2 ** 40 }
const times: Record<string, number> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 }

/** A value in the smallest unit, as far as it has one: `256MB` and `32768` blocks of 8 kB are the same. */
function plainValue(value: string, unit: string | null): string {
  const [, number, own] = /^(-?[\d.]+)\s*([A-Za-z]*)$/.exec(value) ?? []
  if (number === undefined) return value
  const [, multiple = '1', base = ''] = /^(\d*)([A-Za-z]*)$/.exec(own || unit || '') ?? []
  return String(Number(number) * Number(multiple || 1) * (sizes[base] ?? times[base] ?? 1))
}

t.test("the server runs with each line of infra's postgresql.conf", async (t) => {
  const server = await startPostgres()
  t.teardown(server.stop)
  const sql = postgres(server.superuserUrl, { max: 1 })
  t.teardown(() => sql.end())
  const faults = await sql`SELECT name FROM pg_file_settings WHERE error IS NOT NULL`
  t.same(
    faults,
    [{ name: 'listen_addresses' }],
    'of the file nothing is refused but what the command line replaces',
  )
  const rows = await sql<{ name: string; setting: string; unit: string | null; source: string }[]>`
    SELECT name, setting, unit, source FROM pg_settings`
  const found = new Map(rows.map((row) => [row.name, row]))
  const expected = await linesOf(POSTGRES_CONFIG_FILE)
  t.ok(expected.size > 40, `${expected.size} settings were read from the file`)
  for (const [name, value] of expected) {
    const row = found.get(name)
    if (name === 'listen_addresses') {
      t.equal(row?.setting, '127.0.0.1', 'a local server is not reached from outside')
      continue
    }
    const unit = row?.unit ?? null
    t.equal(plainValue(row?.setting ?? 'unknown', unit), plainValue(value, unit), `${name} = ${value}`)
    t.equal(row?.source, 'configuration file', `${name} comes from the file`)
  }
  const statements = await sql`SELECT count(*)::int > 0 AS any FROM pg_stat_statements`
  t.same(statements, [{ any: true }], 'pg_stat_statements counts')
})

t.test('the role of the services owns its database and is not a superuser', async (t) => {
  const server = await startPostgres({ settings: throwAwaySettings })
  t.teardown(server.stop)
  const sql = postgres(server.databaseUrl, { max: 1 })
  t.teardown(() => sql.end())
  await sql`CREATE TABLE mine (id int)`
  t.same(await sql`SELECT current_setting('is_superuser') AS superuser, current_setting('fsync') AS fsync`, [
    { superuser: 'off', fsync: 'off' },
  ])
  t.same(await sql`SELECT count(*)::int AS n FROM pg_extension WHERE extname = 'pg_stat_statements'`, [
    { n: 1 },
  ])
  const stranger = new URL(server.databaseUrl)
  stranger.password = 'wrong'
  const refused = postgres(stranger.href, { max: 1 })
  await t.rejects(refused`SELECT 1`, { code: '28P01' }, 'a login without the password is refused')
})

t.test('a given data folder is kept and opens again', async (t) => {
  const dir = await openFolder(t)
  const dataDir = join(dir, 'kept')
  const first = await startPostgres({ dataDir, dir })
  t.teardown(first.stop)
  const before = postgres(first.databaseUrl, { max: 1 })
  await before`CREATE TABLE kept AS SELECT 42 AS answer`
  await before.end()
  await first.stop()
  t.same((await readdir(dir)).sort(), ['kept', 'kept.password'], 'nothing else stays')
  const second = await startPostgres({ dataDir, dir })
  t.teardown(second.stop)
  const after = postgres(second.databaseUrl, { max: 1 })
  t.teardown(() => after.end())
  t.same(await after`SELECT answer FROM kept`, [{ answer: 42 }])
})

t.test('a setting that the server refuses fails the start with its message and leaves nothing', async (t) => {
  const dir = await openFolder(t)
  await t.rejects(startPostgres({ dir, settings: { work_mem: 'plenty' } }), {
    code: 'SERVER_START_FAILED',
    message: /invalid value for parameter "work_mem": "plenty"/,
  })
  t.same(await readdir(dir), [])
})

t.test('a taken port fails the start and is named', async (t) => {
  const server = await startPostgres({ settings: throwAwaySettings })
  t.teardown(server.stop)
  await t.rejects(startPostgres({ port: server.port }), {
    code: 'PORT_TAKEN',
    message: `Port ${server.port}, which Postgres should listen on, is taken`,
  })
})
