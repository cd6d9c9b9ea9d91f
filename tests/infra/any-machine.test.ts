import { reasonedFiles, sizedFiles } from '@reference/infra/size-files'
import {
  container,
  engines,
  hasRoom,
  MACHINE_BOUNDS,
  MACHINES,
  type Machine,
  memoryOf,
  pools,
  reservedOf,
  SIZES,
  SYSTEM_NAMES,
  type SystemName,
  WORKLOADS,
} from '@reference/infra/sizing'
import { total, WORST_CASES } from '@reference/infra/worst-case'
import fc from 'fast-check'
import t from 'tap'

const [[leastMemory, mostMemory], [leastCpus, mostCpus]] = [MACHINE_BOUNDS.memory, MACHINE_BOUNDS.cpus]
/** As many small machines as large ones. */
const memories = fc
  .double({ min: Math.log2(leastMemory), max: Math.log2(mostMemory), noNaN: true })
  .map((exponent) => Math.min(mostMemory, Math.max(leastMemory, Math.round(2 ** exponent))))
const machines: fc.Arbitrary<Machine> = fc.record({
  memory: memories,
  cpus: fc.integer({ min: leastCpus, max: mostCpus }),
  workload: fc.constantFrom(...WORKLOADS),
})
const options = { numRuns: 2_000 }

/** Every number of a plan, by its name. */
function figuresOf(machine: Machine): Map<string, number> {
  const figures = new Map<string, number>()
  const add = (prefix: string, values: object) => {
    for (const [name, value] of Object.entries(values)) {
      if (typeof value === 'number') figures.set(`${prefix}.${name}`, value)
      else add(`${prefix}.${name}`, value)
    }
  }
  add('engines', engines(machine))
  add('pools', pools(machine))
  for (const system of SYSTEM_NAMES.filter((each) => hasRoom(each, machine)))
    add(system, container(system, machine))
  return figures
}

t.test('from 2 GiB to 512 GiB no engine can exceed the memory of its container', async () => {
  fc.assert(
    fc.property(machines, (machine) => {
      for (const [name, worstCase] of Object.entries(WORST_CASES)) {
        if (!hasRoom(name as SystemName, machine)) continue
        const [sum, { memory }] = [total(worstCase(machine)), container(name as SystemName, machine)]
        if (sum > memory) throw new Error(`${name}: ${Math.round(sum)} of ${memory} MiB`)
      }
    }),
    options,
  )
})

t.test('the containers of each stack fit the machine beside the system', async () => {
  fc.assert(
    fc.property(machines, (machine) =>
      (['development', 'production'] as const).every(
        (stack) => memoryOf(stack, machine) <= machine.memory - reservedOf(machine),
      ),
    ),
    options,
  )
})

t.test('more memory or more cores give no setting and no container less', async () => {
  fc.assert(
    fc.property(machines, memories, fc.integer({ min: leastCpus, max: mostCpus }), (one, memory, cpus) => {
      const larger = { ...one, memory: Math.max(one.memory, memory), cpus: Math.max(one.cpus, cpus) }
      const figures = figuresOf(larger)
      for (const [name, value] of figuresOf(one)) {
        const other = figures.get(name) ?? Number.NaN
        if (!(other >= value)) throw new Error(`${name}: ${value}, then ${other}`)
      }
    }),
    options,
  )
})

t.test('every value is positive, and has a reason', async () => {
  fc.assert(
    fc.property(machines, (machine) => {
      for (const [name, value] of figuresOf(machine)) if (!(value > 0)) throw new Error(`${name}: ${value}`)
      for (const { path, settings } of reasonedFiles(machine)) {
        for (const [name, { value, reason }] of Object.entries(settings))
          if (value === '' || reason.length < 20) throw new Error(`${path}: ${name}`)
      }
    }),
    options,
  )
})

t.test('on a large machine Postgres gets most for analytics, and Redis most for the web', async (t) => {
  const memoryFor = (workload: Machine['workload'], system: SystemName) =>
    container(system, { memory: 65_536, cpus: 16, workload }).memory
  t.ok(memoryFor('analytics', 'postgres') > memoryFor('mixed', 'postgres'))
  t.ok(memoryFor('mixed', 'postgres') > memoryFor('web', 'postgres'))
  t.ok(memoryFor('web', 'redis') > memoryFor('analytics', 'redis'))
})

/** As written into the files and measured on the servers before the rule took any machine. */
const COMMITTED = {
  postgres: {
    shared_buffers: ['320MB', '512MB', '768MB'],
    effective_cache_size: ['800MB', '1280MB', '1920MB'],
    work_mem: ['8MB', '10MB', '16MB'],
    maintenance_work_mem: ['64MB', '96MB', '128MB'],
    autovacuum_work_mem: ['32MB', '48MB', '64MB'],
    max_parallel_workers: ['2', '3', '4'],
    max_wal_size: ['2048MB', '3072MB', '4096MB'],
  },
  pgbouncer: { default_pool_size: ['15', '25', '25'], reserve_pool_size: ['5', '5', '5'] },
  // part:mysql
  'my.cnf': {
    innodb_buffer_pool_size: ['640M', '896M', '1216M'],
    innodb_redo_log_capacity: ['512M', '1024M', '2048M'],
    global_connection_memory_limit: ['84M', '120M', '160M'],
    max_connections: ['60', '100', '150'],
  },
  // end:mysql
  // part:mongodb
  mongod: { cacheSizeGB: ['0.25', '0.25', '0.5'], maxIncomingConnections: ['200', '400', '600'] },
  // end:mongodb
  'redis.conf': {
    maxmemory: ['300mb', '460mb', '610mb'],
    'client-output-buffer-limit replica': ['96mb 64mb 60', '96mb 64mb 60', '96mb 64mb 60'],
    'repl-backlog-size': ['16mb', '16mb', '16mb'],
  },
  'redis-cluster': { maxmemory: ['65mb', '150mb', '190mb'], 'repl-backlog-size': ['4mb', '4mb', '4mb'] },
  rabbitmq: { 'vm_memory_high_watermark.absolute': ['268MiB', '384MiB', '460MiB'] },
}

t.test(
  'the three sizes of the repository come out of the same rule, by name and by their figures',
  async (t) => {
    for (const [at, size] of SIZES.entries()) {
      const { memory, cpus, workload } = MACHINES[size]
      const files = sizedFiles({ memory, cpus, workload })
      t.same(files, sizedFiles(size))
      t.equal(reservedOf(size), MACHINES[size].reserved)
      for (const [file, settings] of Object.entries(COMMITTED)) {
        const values = files.find(({ path }) => path.split('/').slice(1).join('/').includes(file))?.values
        for (const [name, expected] of Object.entries(settings))
          t.equal(values?.[name], expected[at], `${size}: ${file} ${name}`)
      }
    }
  },
)
