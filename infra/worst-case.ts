import { container, engines, pools, type Target } from './sizing.ts'

/** The largest memory use of an engine in MiB, as a sum with named parts. */
export type Sum = Record<string, number>

export const total = (sum: Sum): number => Object.values(sum).reduce((all, part) => all + part, 0)

/** `max_connections` of postgresql.conf; the same on each of the three sizes, since local-stack runs without PgBouncer. */
export const MAX_CONNECTIONS = 150

/** `hash_mem_multiplier` of Postgres: a hash may use this many times work_mem. */
const HASH_MULTIPLIER = 2

/**
 * The worst case of each engine with the settings of `engines(size)`. The page cache does not count: the kernel reclaims
 * it before it ends a process. Figures without a setting as their bound were measured on the server and rounded up; a comment says so.
 */
export const WORST_CASES: Record<string, (size: Target) => Sum> = {
  postgres(size) {
    const { postgres } = engines(size)
    const { pool, reserve } = pools(size)
    const busy = pool + reserve
    // A hash takes the most memory; assume one for each connection of the pool.
    const hash = postgres.workMem * HASH_MULTIPLIER
    return {
      shared_buffers: postgres.sharedBuffers,
      // Locks, statistics, pg_stat_statements: 18 MB in pg_shmem_allocations with 320 MB of buffers, 9 processes of 3 MB.
      'other shared memory, background processes': 48 + postgres.sharedBuffers * 0.02,
      wal_buffers: 16,
      'maintenance_work_mem, one at a time': postgres.maintenanceWorkMem,
      'autovacuum_work_mem × 3 workers': 3 * postgres.autovacuumWorkMem,
      // 60 MB for 31 connections and 9 others after pgbench through the pool: below 2 MB each, their page tables included.
      'connections outside of the pool × 2': (postgres.maxConnections - busy) * 2,
      'connections of the pool × (4 + a hash)': busy * (4 + hash),
      'parallel workers × (4 + a hash)': postgres.maxParallelWorkers * (4 + hash),
    }
  },

  mysql(size) {
    const { mysql } = engines(size)
    return {
      innodb_buffer_pool_size: mysql.bufferPool,
      'its control structures, 3 %': mysql.bufferPool * 0.03,
      innodb_log_buffer_size: 16,
      // sys.memory_global_by_current_bytes after start: 233 MB beside pool and log buffer; 40 MB of code.
      'server, dictionary, performance_schema': 273,
      temptable_max_ram: 32,
      global_connection_memory_limit: mysql.connectionMemory,
      // The limit does not count stacks; 256 kB of each are used.
      'threads × 0.25': mysql.maxConnections * 0.25,
    }
  },

  mongodb(size) {
    const { mongodb } = engines(size)
    return {
      'WiredTiger cache': mongodb.cache,
      'server, its caches of plans and sessions': 180,
      // "Up to 1 MB", according to the documentation.
      'connections × 1': mongodb.maxConnections,
      // A sort or group may take 100 MB before it spills to disk; one at a time is assumed.
      'a sort in memory': 100,
    }
  },

  redis: (size) => redis(engines(size).redis),
  'redis-node': (size) => redis(engines(size).redisNode),

  rabbitmq(size) {
    const { watermark } = engines(size).rabbitmq
    // Above the watermark publishers are blocked. A garbage collection may hold the heap of a process twice, half of all memory at worst.
    return { vm_memory_high_watermark: watermark, 'garbage collection': watermark * 0.5, 'code, atoms': 40 }
  },

  pgbouncer: () => ({
    program: 8,
    // 2 kB, and one buffer of pkt_buf (16 kB) while it sends; max_client_conn 1500.
    'clients × 18 kB': (1500 * 18) / 1024,
    'servers × 34 kB, their prepared statements': 10,
  }),

  nginx: (size) => ({
    // 4096 worker_connections of 424 bytes each (a connection and its two events) are allocated at the start.
    'workers × (4 + connections)': engines(size).nginx.workers * (4 + (4096 * 424) / 2 ** 20),
    // limit_req_zone, limit_conn_zone, two upstreams, and ssl_session_cache where TLS is on.
    'shared zones': 10 + 10 + 0.5 + 10,
    // A file system in memory: bodies above client_body_buffer_size.
    '/tmp': NGINX_TMP,
    // proxy_buffer_size and proxy_buffers of 16 kB: the memory that one slow reader of a large page may hold.
    '250 slow readers × 272 kB': (250 * 272) / 1024,
  }),

  'reference-api': (size) => node(container('reference-api', size).memory, HEAP_PERCENTAGE, 64),
  'parallel-api': (size) => parallelApi(container('parallel-api', size).memory, PARALLEL_TIER1),
  worker: (size) => node(container('worker', size).memory, HEAP_PERCENTAGE, 0),
}

/** Size of nginx's /tmp. */
export const NGINX_TMP = 32

/** `--max-semi-space-size` of the Dockerfile. */
export const SEMI_SPACE = 4

/** `--max-old-space-size-percentage` of the Dockerfile. */
export const HEAP_PERCENTAGE = 60
// part:parallel-api
/** The option for the parallel-api, whose report thread needs memory outside of this heap. */
export const PARALLEL_HEAP_PERCENTAGE = 53

/** CACHE_L1_MAX_BYTES of the parallel-api in the compose files. */
export const PARALLEL_TIER1 = 32

/** The thread that computes reports, one at a time. */
export const REPORT_THREAD = {
  // REPORT_HEAP_MB of services/parallel-api/src/context.ts.
  'report: old generation': 32,
  // YOUNG_MB of packages/threads.
  'report: young generation': 24,
  // Sums and replies within MAX_GROUPS. The process used 60 MB more after its first report, heap included.
  'report: outside of the heap': 20,
}

export function parallelApi(limit: number, tier1: number): Sum {
  return { ...node(limit, PARALLEL_HEAP_PERCENTAGE, tier1), ...REPORT_THREAD }
}
// end:parallel-api

export function node(limit: number, percentage: number, tier1: number): Sum {
  return {
    'old generation of the heap': (limit * percentage) / 100,
    'young generation, three semi-spaces': 3 * SEMI_SPACE,
    // CACHE_L1_MAX_BYTES; stored replies lie outside of the heap.
    'tier 1 of the cache': tier1,
    'Node, sockets': 50,
  }
}

function redis({
  maxmemory,
  replicaBuffer,
  backlog,
}: {
  maxmemory: number
  replicaBuffer: number
  backlog: number
}): Sum {
  return {
    // Keys, values, and the buffers of clients, which count as well.
    maxmemory,
    'fragmentation, 15 %': maxmemory * 0.15,
    'a full sync: client-output-buffer-limit replica': replicaBuffer,
    'repl-backlog-size': backlog,
    program: 8,
  }
}
