import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  hasRedisTls,
  redisCluster,
  startTlsRedis,
  testCertificate,
  testDatabase,
  testRedis,
} from '@reference/local-stack'
import { Redis } from 'ioredis'
import t from 'tap'
import { type EmptyFolder, installInto, packCache } from './empty-folder.ts'
import { drizzlePrograms, refusedByTls } from './programs.ts'

// The long form also runs on Node 24, checks types with an older TypeScript, and has every driver.
const isLong = process.env.SLOW_TESTS === 'on'
t.setTimeout(500_000)

const TARGET = "{ kind: 'single', url: 'redis://127.0.0.1:6379' }"
const DATABASE = "'postgres://127.0.0.1/app'"
const TYPES = ['typescript@7.0.2', '@types/node@24', '@types/pg@8']
const DRIVERS = ['pg@8', 'postgres@3.4', 'drizzle-orm@0.45']

const tarball = await packCache(t)
const folder = await installInto(t, [
  tarball,
  ...TYPES,
  ...(isLong ? [...DRIVERS, 'node@24', 'typescript-5@npm:typescript@5.9'] : ['pg@8']),
])
const hasTls = await hasRedisTls()
const skip = folder === undefined && 'the registry of npm cannot be reached'
const skipTls = skip || (!isLong && 'SLOW_TESTS=on') || (!hasTls && 'this Redis was built without TLS')

/** The programs of the README, by the first package besides the cache that each imports. */
function readmePrograms({ path }: EmptyFolder): Record<string, string> {
  const readme = readFileSync(join(path, 'node_modules/@reference/cache/README.md'), 'utf8')
  const programs = [...readme.matchAll(/^```ts\n(.+?)^```/gms)].map(([, program = '']) => program)
  return Object.fromEntries(
    programs.map((program) => [/'(pg)'/.exec(program)?.[1] ?? 'no outbox', program] as const),
  )
}

t.test(
  'it needs no other package of this repository, and links to files that it has',
  { skip },
  async (t) => {
    const { path, packages } = present(folder)
    t.same(packages('@reference'), ['cache'])
    const root = join(path, 'node_modules/@reference/cache')
    t.ok(existsSync(join(root, 'LICENSE')))
    for (const page of ['README.md', 'COMPARISON.md']) {
      for (const [, target = ''] of readFileSync(join(root, page), 'utf8').matchAll(
        /\]\(([^)\s#]+)[^)]*\)/g,
      )) {
        if (!/^[a-z]+:/.test(target))
          t.ok(existsSync(join(root, dirname(page), target)), `${page} → ${target}`)
      }
    }
    const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    for (const files of Object.values<Record<string, string>>(exports)) {
      for (const file of Object.values(files)) t.ok(existsSync(join(root, file)), file)
    }
  },
)

t.test('types check, and a wrong option is an error', { skip }, async (t) => {
  const { write, run } = present(folder)
  const programs = readmePrograms(present(folder))
  t.same(Object.keys(programs), ['no outbox', 'pg'])
  write('plain.ts', programs['no outbox'] ?? '')
  write('pg.ts', programs.pg ?? '')
  write(
    'wrong.ts',
    "import { createCache } from '@reference/cache'\ncreateCache({ redis: { kind: 'none' } })\n",
  )
  const drivers = isLong ? Object.entries(drizzlePrograms(DATABASE, TARGET)) : []
  for (const [name, program] of drivers) write(`${name}.ts`, program)
  const options = [
    '--strict',
    '--noEmit',
    '--module',
    'nodenext',
    '--target',
    'es2024',
    '--exactOptionalPropertyTypes',
  ]
  const compilers = ['typescript', ...(isLong ? ['typescript-5'] : [])]
  for (const compiler of compilers) {
    const check = (...args: string[]) =>
      run(process.execPath, [`node_modules/${compiler}/bin/tsc`, '--types', 'node', ...options, ...args])
    const plain = await check('--skipLibCheck', 'false', 'plain.ts')
    t.equal(plain.code, 0, `${compiler}: ${plain.output}`)
    const all = await check('--skipLibCheck', 'pg.ts', ...drivers.map(([name]) => `${name}.ts`))
    t.equal(all.code, 0, `${compiler}: ${all.output}`)
    t.match((await check('--skipLibCheck', 'wrong.ts')).output, /wrong\.ts.*error TS2\d+/)
  }
})

t.test("the README's programs run on one Redis and on a Cluster of six nodes", { skip }, async (t) => {
  const installed = present(folder)
  const { path, write, run } = installed
  const redis = await testRedis(t, { own: true })
  const { nodes } = await redisCluster(t)
  const addresses = nodes.map(({ host, port }) => ({ host, port }))
  const targets = {
    'one Redis': `{ kind: 'single', url: '${redis.url}' }`,
    'a Cluster': `{ kind: 'cluster', nodes: ${JSON.stringify(addresses)} }`,
  }
  const readme = readmePrograms(installed)
  const node24 = join(path, 'node_modules/node/bin/node')
  const programs = [process.execPath, ...(isLong ? [node24] : [])]
  for (const node of programs) {
    const version = (await run(node, ['--version'])).output.trim()
    t.match(version, node === node24 ? /^v24\./ : /^v26\./)
    for (const [where, target] of Object.entries(targets)) {
      await flush([redis.port, ...nodes.slice(0, 3).map(({ port }) => port)])
      write('run.ts', replaced(readme['no outbox'] ?? '', TARGET, target))
      t.same(
        (await run(node, ['run.ts'])).output.trim().split('\n'),
        ['Ada', '{"id":42,"name":"Ada"}', 'miss', 'Grace'],
        `${version}, ${where}, without an outbox`,
      )
      const withDatabase: Record<string, string> = { pg: readme.pg ?? '' }
      if (isLong) Object.assign(withDatabase, drizzlePrograms(DATABASE, TARGET))
      for (const [driver, program] of Object.entries(withDatabase)) {
        const { superuserUrl } = await testDatabase(t, { from: 'empty' })
        write('run.ts', replaced(replaced(program, TARGET, target), DATABASE, `'${superuserUrl}'`))
        const { output } = await run(node, ['run.ts'])
        t.same(output.trim().split('\n'), ['Ada', 'Grace'], `${version}, ${where}, ${driver}`)
      }
    }
  }
})

t.test(
  'a Redis that refuses the certificate of the client does not end the process',
  { skip: skipTls },
  async (t) => {
    const { write, run } = present(folder)
    const redis = await startTlsRedis(t)
    await redis.askClients(true)
    write('run.ts', refusedByTls(redis.url, readFileSync(testCertificate('authority.crt'), 'utf8')))
    const { code, output } = await run(process.execPath, ['run.ts'])
    t.equal(code, 0, output)
    t.match(output, /^off\n$/)
  },
)

async function flush(ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    const redis = new Redis(port)
    await redis.flushall()
    redis.disconnect()
  }
}

/** @throws when the text does not have the part: the program would run on another server */
function replaced(text: string, part: string, by: string): string {
  if (!text.includes(part)) throw new Error(`there is no ${part}`)
  return text.replaceAll(part, by)
}

function present(installed: EmptyFolder | undefined): EmptyFolder {
  if (installed === undefined) throw new Error('not installed')
  return installed
}
