import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { settings } from '@reference/config'
import { sizedFiles, withLimits, withValues } from '@reference/infra/size-files'
import { container, MACHINES, memoryOf, SIZES, STACKS, type SystemName } from '@reference/infra/sizing'
import {
  HEAP_PERCENTAGE,
  MAX_CONNECTIONS,
  NGINX_TMP,
  node,
  PARALLEL_HEAP_PERCENTAGE,
  PARALLEL_TIER1,
  parallelApi,
  REPORT_THREAD,
  SEMI_SPACE,
  total,
  WORST_CASES,
} from '@reference/infra/worst-case'
import { POOLS } from '@reference/shop'
import t from 'tap'

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')

for (const size of SIZES) {
  t.test(`${size}: no engine can exceed the memory of its container`, async (t) => {
    for (const [system, worstCase] of Object.entries(WORST_CASES)) {
      const sum = total(worstCase(size))
      const { memory } = container(system as SystemName, size)
      t.ok(sum <= memory, `${system}: at worst ${Math.round(sum)} of ${memory} MiB`)
    }
  })

  t.test(`${size}: the containers of each stack fit the machine, memory and CPUs`, async (t) => {
    const { memory, reserved, cpus } = MACHINES[size]
    for (const stack of ['development', 'production'] as const) {
      const sum = memoryOf(stack, size)
      t.ok(sum <= memory - reserved, `${stack}: ${sum} of ${memory - reserved} MiB`)
      const promised = Object.entries(STACKS[stack]).reduce(
        (all, [system, count]) => all + count * container(system as SystemName, size).reservedCpus,
        0,
      )
      t.ok(promised <= cpus, `${stack}: ${promised.toFixed(1)} of ${cpus} CPUs are promised`)
    }
  })

  t.test(`${size}: every sized setting occurs once in its file, and writing it is idempotent`, async (t) => {
    for (const file of sizedFiles(size)) {
      const once = withValues(read(file.path), file)
      t.equal(withValues(once, file), once, file.path)
      for (const value of Object.values(file.values)) t.ok(once.includes(value), `${file.path}: ${value}`)
    }
    for (const path of ['docker-compose.yml', 'docker-compose.prod.yml']) {
      const once = withLimits(read(path), path, size)
      t.equal(withLimits(once, path, size), once)
    }
  })
}

t.test('a larger machine gives no engine less', async (t) => {
  for (const system of Object.keys(WORST_CASES)) {
    const [small = 0, medium = 0, large = 0] = SIZES.map(
      (size) => container(system as SystemName, size).memory,
    )
    t.ok(small <= medium && medium <= large, system)
  }
})

t.test('a setting that is missing in the file is an error', async (t) => {
  const [file] = sizedFiles('small')
  if (file === undefined) return t.fail('there are files')
  const without = read(file.path).replace(/^work_mem.*$/m, '')
  t.throws(() => withValues(without, file), { message: /has 0 lines for work_mem/ })
})

t.test('comments stay in their column', async (t) => {
  const file = { path: 'x', format: 'equals', values: { a: '12345' } } as const
  t.equal(withValues('a = 1      # why', file), 'a = 12345  # why')
  t.equal(withValues('a = 1 # why', file), 'a = 12345 # why')
})

t.test("PgBouncer's connections and the direct ones fit max_connections", async (t) => {
  const value = (text: string, name: string) => Number(new RegExp(`^${name} = (\\d+)`, 'm').exec(text)?.[1])
  const ini = read('infra/pgbouncer/pgbouncer.ini')
  t.equal(value(read('infra/postgres/postgresql.conf'), 'max_connections'), MAX_CONNECTIONS)
  const reserve = value(ini, 'reserve_pool_size')
  const lookups = 2
  for (const [file, direct] of [
    // A migration, the exporter (its role may have 5), people.
    ['databases.ini', 1 + 5 + 5],
    ['databases.production.ini', 5 + 5],
  ] as const) {
    const lines = read(`infra/pgbouncer/${file}`).split('\n')
    const databases = lines.filter((line) => /^\w+ = host=/.test(line))
    // Each line is a pool for the services' user and one for lookups. The replica is another server; counting it is stricter.
    const sum = databases.reduce((all, line) => {
      const own = /pool_size=(\d+)/.exec(line)?.[1]
      return all + Number(own ?? value(ini, 'default_pool_size')) + reserve + lookups
    }, direct)
    t.ok(sum <= MAX_CONNECTIONS - 3, `${file}: ${sum} of ${MAX_CONNECTIONS - 3}`)
  }
})

t.test("the services' connections fit max_client_conn of PgBouncer, twice while a deploy runs", async (t) => {
  const ini = read('infra/pgbouncer/pgbouncer.ini')
  const compose = read('docker-compose.prod.yml')
  const jobQueue = 5 // part:jobs
  // part:parallel-api
  // From `report/report.ts`: on the replica, and on the primary while the replica is unavailable.
  const lanes = 4
  const threads = Number(/^ {6}WORKER_THREADS: (\d+)$/m.exec(compose)?.[1])
  t.ok(threads > 0)
  // end:parallel-api
  const pool = (service: keyof typeof POOLS) =>
    2 * (POOLS[service].connections + POOLS[service].cancellableConnections)
  const reference = [
    pool('reference-api'),
    jobQueue, // part:jobs
  ].reduce((all, each) => all + each)
  const replica = [
    reference,
    pool('parallel-api') + threads * 2 * lanes, // part:parallel-api
  ].reduce((all, each) => all + each)
  const replicas = Number(/\$\{REPLICAS:-(\d+)\}/.exec(compose)?.[1])
  const workers = [
    reference, // part:jobs
  ].reduce((all, each) => all + each, 0)
  const sum = 2 * (replicas * replica + workers)
  const most = Number(/^max_client_conn = (\d+)/m.exec(ini)?.[1])
  t.ok(sum < most, `${sum} of ${most}`)
})

t.test('the worst case of the APIs uses the limits with which they start', async (t) => {
  const options = [...read('Dockerfile').matchAll(/^FROM \w+ AS (\S+)|^ENV NODE_OPTIONS="(.+)"/gm)]
    .map(([, stage, value]) => stage ?? value)
    .filter((word, at, all) => word?.startsWith('--') || all[at + 1]?.startsWith('--'))
  const semiSpace = `--max-semi-space-size=${SEMI_SPACE}`
  t.same(options, [
    ...['runtime', `--max-old-space-size-percentage=${HEAP_PERCENTAGE} ${semiSpace}`],
    ...['parallel-api', `--max-old-space-size-percentage=${PARALLEL_HEAP_PERCENTAGE} ${semiSpace}`], // part:parallel-api
  ])
  const has = (text: string, line: string) => t.ok(text.includes(`${line}\n`), line)
  // part:parallel-api
  const development = read('docker-compose.yml')
  has(development, `NODE_OPTIONS: --max-old-space-size-percentage=${PARALLEL_HEAP_PERCENTAGE} ${semiSpace}`)
  // end:parallel-api
  // part:production
  // The same variable turns on traces, so production repeats the options of the images.
  for (const [service, percentage] of [
    ['reference-api', HEAP_PERCENTAGE],
    ['parallel-api', PARALLEL_HEAP_PERCENTAGE],
  ] as const) {
    const traces = `\${TRACES:+--import ./dist/${service}/telemetry.js}`
    has(
      read('docker-compose.prod.yml'),
      `NODE_OPTIONS: --max-old-space-size-percentage=${percentage} ${semiSpace} ${traces}`,
    )
  }
  // end:production
  // part:parallel-api
  // part:production
  const production = read('docker-compose.prod.yml')
  t.same(
    [...production.matchAll(/--max-old-space-size-percentage=(\d+)/g)].map(([, share]) => Number(share)),
    [HEAP_PERCENTAGE, PARALLEL_HEAP_PERCENTAGE],
  )
  for (const compose of [development, production]) {
    has(compose, `CACHE_L1_MAX_BYTES: ${PARALLEL_TIER1 * 2 ** 20}`)
  }
  // end:production
  const { 'report: old generation': old, 'report: young generation': young } = REPORT_THREAD
  has(read('services/parallel-api/src/context.ts'), `const REPORT_HEAP_MB = ${old}`)
  has(read('packages/threads/src/threads.ts'), `const YOUNG_MB = ${young}`)
  // end:parallel-api
})

t.test('Kubernetes: no pod of an API can exceed its limit', async (t) => {
  const tier1 = Number(settings.CACHE_L1_MAX_BYTES.fallback) / 2 ** 20
  for (const [service, worstCase] of [
    ['reference-api', (limit: number) => node(limit, HEAP_PERCENTAGE, tier1)],
    ['parallel-api', (limit: number) => parallelApi(limit, tier1)],
    ['worker', (limit: number) => node(limit, HEAP_PERCENTAGE, 0)],
  ] as const) {
    const manifest = read(`infra/kubernetes/base/${service}.yaml`)
    const limit = Number(/limits: \{ cpu: '1', memory: (\d+)Mi \}/.exec(manifest)?.[1])
    t.ok(total(worstCase(limit)) <= limit, `${service}: at worst ${total(worstCase(limit))} of ${limit} MiB`)
  }
})

t.test('the tmpfs of nginx has the size of its worst case', async (t) => {
  t.match(read('docker-compose.prod.yml'), `'/tmp:size=${NGINX_TMP}m,mode=1777', '/etc/nginx/conf.d`)
})

t.test('mongod.conf contains only documented settings', async (t) => {
  // "Self-Managed Configuration File Options", MongoDB 8.0: the options that this file may use.
  const documented = [
    'storage.dbPath',
    'storage.wiredTiger.engineConfig.cacheSizeGB',
    'storage.wiredTiger.engineConfig.journalCompressor',
    'storage.wiredTiger.collectionConfig.blockCompressor',
    'storage.wiredTiger.indexConfig.prefixCompression',
    'operationProfiling.mode',
    'operationProfiling.slowOpThresholdMs',
    'operationProfiling.slowOpSampleRate',
    'net.port',
    'net.bindIpAll',
    'net.maxIncomingConnections',
    'security.authorization',
    'systemLog.quiet',
  ]
  const text = read('infra/mongodb/mongod.conf')
  t.same(unknown(text, documented), [])
  t.same(unknown(text.replace('cacheSizeGB', 'cacheSizeGb'), documented).length, 1, 'a typo is seen')
})

/** The paths of a YAML file of nested maps, such as `net.port`, that are not among the known ones. */
function unknown(text: string, known: string[]): string[] {
  const path: string[] = []
  return text.split('\n').flatMap((line) => {
    const [, indent = '', name = '', value = ''] = /^( *)(\w+):\s*([^#]*)/.exec(line) ?? []
    if (name === '') return []
    path.splice(indent.length / 2, path.length, name)
    const full = path.join('.')
    return value.trim() === '' || known.includes(full) ? [] : [full]
  })
}
