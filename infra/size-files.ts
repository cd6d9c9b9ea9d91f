import {
  container,
  engines,
  MOST_WORK_MEM,
  machineOf,
  type mysqlFor, // part:mysql
  pools,
  type postgresFor,
  type redisFor,
  type Size,
  SYSTEM_NAMES,
  type SystemName,
  type Target,
  type Workload,
} from './sizing.ts'

/**
 * `equals`: `name = value  # comment`; `words`: `name value`; `yaml`: `name: value # comment`, at any depth. The rest of a line, including the column
 * of its comment, stays.
 */
type Format = 'equals' | 'words' | 'yaml'

/** A file of infra, and the values in it that depend on the machine. */
export interface SizedFile {
  path: string
  format: Format
  values: Record<string, string>
}

/** A value, and the rule that gives it. */
export interface Sized {
  readonly value: string
  readonly reason: string
}

/** A {@link SizedFile} with the reason of each value. */
export interface ReasonedFile {
  readonly path: string
  readonly format: Format
  /** The container of the engine. */
  readonly system: SystemName
  readonly settings: Readonly<Record<string, Sized>>
}

/** Every value outside of compose files that depends on the size. */
export function sizedFiles(target: Target): SizedFile[] {
  return reasonedFiles(target).map(({ path, format, settings }) => ({
    path,
    format,
    values: Object.fromEntries(Object.entries(settings).map(([name, { value }]) => [name, value])),
  }))
}

/** {@link sizedFiles} with the reason of each value. */
export function reasonedFiles(target: Target): ReasonedFile[] {
  const { postgres, mysql, mongodb, redis, redisNode, rabbitmq, nginx } = engines(target)
  const { pool, reserve } = pools(target)
  const { workload } = machineOf(target)
  return [
    {
      path: 'infra/postgres/postgresql.conf',
      format: 'equals',
      system: 'postgres',
      settings: postgresSettings(postgres, workload),
    },
    {
      path: 'infra/pgbouncer/pgbouncer.ini',
      format: 'equals',
      system: 'pgbouncer',
      settings: {
        default_pool_size: {
          value: `${pool}`,
          reason:
            'two for each core of Postgres, at least 25; 15 below 2 GiB and 8 below 1.25 GiB, since each may use work_mem',
        },
        reserve_pool_size: { value: `${reserve}`, reason: 'for a burst, after a client has waited' },
      },
    },
    {
      path: 'infra/mysql/my.cnf',
      format: 'equals',
      system: 'mysql',
      settings: mysqlSettings(mysql),
    },
    {
      path: 'infra/mongodb/mongod.conf',
      format: 'yaml',
      system: 'mongodb',
      settings: {
        cacheSizeGB: {
          value: `${mongodb.cache / 1024}`,
          reason: 'half of the memory above 1 GiB, at least 256 MiB',
        },
        maxIncomingConnections: {
          value: `${mongodb.maxConnections}`,
          reason: 'each connection may take 1 MiB outside of the cache',
        },
      },
    },
    {
      path: 'infra/redis/redis.conf',
      format: 'words',
      system: 'redis',
      settings: redisSettings(redis),
    },
    {
      path: 'infra/redis/redis-cluster.conf',
      format: 'words',
      system: 'redis-node',
      settings: redisSettings(redisNode),
    },
    {
      path: 'infra/rabbitmq/rabbitmq.conf',
      format: 'equals',
      system: 'rabbitmq',
      settings: {
        'vm_memory_high_watermark.absolute': {
          value: `${rabbitmq.watermark}MiB`,
          reason:
            '60 % of the memory: publishers are blocked above it, and garbage collection needs half as much again',
        },
      },
    },
    {
      path: 'infra/nginx/nginx.conf',
      format: 'words',
      system: 'nginx',
      settings: {
        worker_processes: {
          value: `${nginx.workers};`,
          reason: 'the cores of the container, not of the machine',
        },
      },
    },
  ]
}

/** The settings of Postgres that depend on memory and cores. */
export function postgresSettings(
  postgres: ReturnType<typeof postgresFor>,
  workload: Workload,
): Record<string, Sized> {
  const sized = (value: number, reason: string): Sized => ({ value: `${value}MB`, reason })
  return {
    max_connections: {
      value: `${postgres.maxConnections}`,
      reason: 'each connection is a process of some 2 MB; clients above it wait in a pool. 60 below 1.25 GiB',
    },
    shared_buffers: sized(
      postgres.sharedBuffers,
      '25 % of the memory: the kernel caches the same pages again',
    ),
    effective_cache_size: sized(
      postgres.effectiveCacheSize,
      '62 % of the memory: shared_buffers and the page cache; a hint for the planner, allocates nothing',
    ),
    work_mem: sized(
      postgres.workMem,
      `memory / 192, at most ${MOST_WORK_MEM[workload]} MB for ${workload}: a hash of each connection may take twice this`,
    ),
    maintenance_work_mem: sized(
      postgres.maintenanceWorkMem,
      'memory / 20, 32 MB to 2 GB: one CREATE INDEX or VACUUM at a time',
    ),
    autovacuum_work_mem: sized(
      postgres.autovacuumWorkMem,
      'memory / 40, at most 64 MB, for each of three workers; without it each would use maintenance_work_mem',
    ),
    max_parallel_workers: {
      value: `${postgres.maxParallelWorkers}`,
      reason: 'the cores, and one for each 512 MB: each worker has its own work_mem',
    },
    max_wal_size: sized(
      postgres.maxWalSize,
      '1 GB and the memory, 2 to 16 GB of disk: a bulk load forces no checkpoint',
    ),
    min_wal_size: sized(
      postgres.minWalSize,
      'a quarter of max_wal_size: segments are reused in the next burst',
    ),
    max_slot_wal_keep_size: sized(
      postgres.maxSlotWalKeepSize,
      'half of max_wal_size: an unavailable replica loses its slot before the disk is full',
    ),
  }
}

// part:mysql
/** The settings of MySQL that depend on memory. */
export function mysqlSettings(mysql: ReturnType<typeof mysqlFor>): Record<string, Sized> {
  return {
    innodb_buffer_pool_size: {
      value: `${mysql.bufferPool}M`,
      reason: '60 % of the memory: InnoDB bypasses the page cache, and sessions need the rest',
    },
    innodb_redo_log_capacity: {
      value: `${mysql.redoLog}M`,
      reason: 'half of the memory, 512 MB to 8 GB of disk: a burst of writes forces no flush of pages',
    },
    global_connection_memory_limit: {
      value: `${mysql.connectionMemory}M`,
      reason: '8 % of the memory: a query above it fails, before the kernel ends the server',
    },
    max_connections: {
      value: `${mysql.maxConnections}`,
      reason: 'one for each 16 MB of memory, 60 to 500: threads and their buffers',
    },
  }
}
// end:mysql

/** The settings of Redis that depend on memory. */
export function redisSettings({
  maxmemory,
  replicaBuffer,
  backlog,
}: ReturnType<typeof redisFor>): Record<string, Sized> {
  const soft = Math.floor((replicaBuffer * 2) / 3)
  return {
    maxmemory: {
      value: `${maxmemory}mb`,
      reason: '60 % of the memory: the rest is for fragmentation, buffers and the fork of a full sync',
    },
    'client-output-buffer-limit replica': {
      value: `${replicaBuffer}mb ${soft}mb 60`,
      reason:
        'a sixteenth of the memory, at least 96 MB (19 % up to 512 MB): a full sync, outside of maxmemory',
    },
    'repl-backlog-size': {
      value: `${backlog}mb`,
      reason:
        'a 64th of the memory, at least 16 MB (4 MB below 512 MB): a replica that was disconnected continues without a full sync',
    },
  }
}

/**
 * Replaces values in the lines of a configuration.
 *
 * @throws RangeError when a setting does not occur exactly once; otherwise it would keep its old value unnoticed
 */
export function withValues(text: string, { path, format, values }: SizedFile): string {
  const lines = text.split('\n')
  for (const [name, value] of Object.entries(values)) {
    const pattern = PATTERNS[format](name.replaceAll('.', '\\.'))
    const found = lines.flatMap((line, index) => (pattern.test(line) ? [index] : []))
    const [index] = found
    if (index === undefined || found.length > 1) {
      throw new RangeError(`${path} has ${found.length} lines for ${name}; it takes exactly one`)
    }
    const [, before = '', , after = ''] = pattern.exec(lines[index] ?? '') ?? []
    lines[index] = `${before}${value}${comment(lines[index] ?? '', before + value, after)}`
  }
  return lines.join('\n')
}

const PATTERNS: Record<Format, (name: string) => RegExp> = {
  equals: (name) => new RegExp(`^(${name}\\s*=\\s*)('[^']*'|[^\\s#]*)(.*)$`),
  words: (name) => new RegExp(`^(${name}\\s+)(.*?)()$`),
  yaml: (name) => new RegExp(`^(\\s*${name}:\\s+)([^\\s#]*)(.*)$`),
}

/** The rest of the line, with its comment in the same column. */
function comment(line: string, start: string, rest: string): string {
  const text = rest.trimStart()
  if (text === '') return ''
  return ' '.repeat(Math.max(1, line.indexOf(text, line.length - rest.length) - start.length)) + text
}

const START = '# size:start'
const END = '# size:end'

/** The limits of every container as anchors, between the two marks of a compose file. */
export function withLimits(text: string, path: string, size: Size): string {
  const lines = text.split('\n')
  const from = lines.findIndex((line) => line.startsWith(START))
  const to = lines.findIndex((line) => line.startsWith(END))
  if (from < 0 || to < from) throw new RangeError(`${path} has no lines '${START}' and '${END}'`)
  return [...lines.slice(0, from), ...limitLines(size), ...lines.slice(to)].join('\n')
}

/** Whether a compose file has the marks. */
export function hasLimits(text: string): boolean {
  return new RegExp(`^${START}`, 'm').test(text)
}

/** The size that a compose file was written for. */
export function sizeOf(text: string): string | undefined {
  return new RegExp(`^${START} (\\w+)`, 'm').exec(text)?.[1]
}

/**
 * Bounds a process that forks without end, before the machine's limit does.
 * MongoDB has a thread for each of 600 clients.
 */
const MAX_PIDS = 1024

function limitLines(size: Size): string[] {
  return [
    `${START} ${size}: written by \`pnpm infra size\` from infra/sizing.ts; use as \`deploy: { resources: *size-postgres }\`.`,
    'x-size:',
    ...SYSTEM_NAMES.map((name) => {
      const { memory, cpus, reservedMemory, reservedCpus } = container(name, size)
      const limits = `limits: { cpus: '${cpus}', memory: ${memory}M, pids: ${MAX_PIDS} }`
      const reservations = `reservations: { cpus: '${reservedCpus}', memory: ${reservedMemory}M }`
      return `  ${name}: &size-${name} { ${limits}, ${reservations} }`
    }),
    // Parallel workers exchange rows through /dev/shm; Docker gives 64 MB. It counts as memory of the container.
    `  postgres-shm: &size-postgres-shm ${container('postgres', size).memory / 8}M`,
  ]
}
