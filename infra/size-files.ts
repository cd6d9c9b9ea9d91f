import { container, engines, pools, type Size, SYSTEM_NAMES } from './sizing.ts'

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

/** Every value outside of compose files that depends on the size. */
export function sizedFiles(size: Size): SizedFile[] {
  const { postgres, mysql, mongodb, redis, redisNode, rabbitmq, nginx } = engines(size)
  const { pool, reserve } = pools(size)
  return [
    {
      path: 'infra/postgres/postgresql.conf',
      format: 'equals',
      values: {
        shared_buffers: `${postgres.sharedBuffers}MB`,
        effective_cache_size: `${postgres.effectiveCacheSize}MB`,
        work_mem: `${postgres.workMem}MB`,
        maintenance_work_mem: `${postgres.maintenanceWorkMem}MB`,
        autovacuum_work_mem: `${postgres.autovacuumWorkMem}MB`,
        max_parallel_workers: `${postgres.maxParallelWorkers}`,
        max_wal_size: `${postgres.maxWalSize}MB`,
        min_wal_size: `${postgres.minWalSize}MB`,
        max_slot_wal_keep_size: `${postgres.maxSlotWalKeepSize}MB`,
      },
    },
    {
      path: 'infra/pgbouncer/pgbouncer.ini',
      format: 'equals',
      values: { default_pool_size: `${pool}`, reserve_pool_size: `${reserve}` },
    },
    {
      path: 'infra/mysql/my.cnf',
      format: 'equals',
      values: {
        innodb_buffer_pool_size: `${mysql.bufferPool}M`,
        innodb_redo_log_capacity: `${mysql.redoLog}M`,
        global_connection_memory_limit: `${mysql.connectionMemory}M`,
        max_connections: `${mysql.maxConnections}`,
      },
    },
    {
      path: 'infra/mongodb/mongod.conf',
      format: 'yaml',
      values: {
        cacheSizeGB: `${mongodb.cache / 1024}`,
        maxIncomingConnections: `${mongodb.maxConnections}`,
      },
    },
    { path: 'infra/redis/redis.conf', format: 'words', values: redisValues(redis) },
    { path: 'infra/redis/redis-cluster.conf', format: 'words', values: redisValues(redisNode) },
    {
      path: 'infra/rabbitmq/rabbitmq.conf',
      format: 'equals',
      values: { 'vm_memory_high_watermark.absolute': `${rabbitmq.watermark}MiB` },
    },
    { path: 'infra/nginx/nginx.conf', format: 'words', values: { worker_processes: `${nginx.workers};` } },
  ]
}

function redisValues(redis: { maxmemory: number; replicaBuffer: number; backlog: number }) {
  const { maxmemory, replicaBuffer, backlog } = redis
  const soft = Math.floor((replicaBuffer * 2) / 3)
  return {
    maxmemory: `${maxmemory}mb`,
    'client-output-buffer-limit replica': `${replicaBuffer}mb ${soft}mb 60`,
    'repl-backlog-size': `${backlog}mb`,
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

/** Bounds a process that forks without end, before the machine's limit does. MongoDB has a thread for each of 600 clients. */
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
