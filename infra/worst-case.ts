import { container, engines, pools, type Size } from './sizing.ts'

/** What an engine may take at most, in MiB, as a sum whose parts are named. */
export type Sum = Record<string, number>

export const total = (sum: Sum): number => Object.values(sum).reduce((all, part) => all + part, 0)

/** `max_connections` of postgresql.conf; the same on every machine, since local-stack runs without PgBouncer. */
export const maxConnections = 150

/** What hash_mem_multiplier makes of a work_mem. */
const hashMultiplier = 2

/**
 * The worst case of each engine with the settings of `engines(size)`. Its page cache is not counted: the kernel takes that
 * back before it ends a process. Figures that no setting bounds were measured on the server and rounded up; each says so.
 */
export const worstCases: Record<string, (size: Size) => Sum> = {
  postgres(size) {
    const { postgres } = engines(size)
    const { pool, reserve } = pools(size)
    const busy = pool + reserve
    // A hash takes most, and each connection of the pool has one at once.
    const hash = postgres.workMem * hashMultiplier
    return {
      shared_buffers: postgres.sharedBuffers,
      // Locks, statistics, pg_stat_statements: 18 MB in pg_shmem_allocations with 320 MB of buffers, 9 processes of 3 MB.
      'other shared memory, background processes': 48 + postgres.sharedBuffers * 0.02,
      wal_buffers: 16,
      'maintenance_work_mem, one at a time': postgres.maintenanceWorkMem,
      'autovacuum_work_mem × 3 workers': 3 * postgres.autovacuumWorkMem,
      // 60 MB for 31 connections and 9 others after pgbench through the pool: below 2 MB each, their page tables included.
      'connections outside of the pool × 2': (maxConnections - busy) * 2,
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
      // Stacks are outside of what the limit counts; 256 kB of each are touched.
      'threads × 0.25': mysql.maxConnections * 0.25,
    }
  },

  mongodb(size) {
    const { mongodb } = engines(size)
    return {
      'WiredTiger cache': mongodb.cache,
      'server, its caches of plans and sessions': 180,
      // "Up to 1 MB" is what the documentation says.
      'connections × 1': mongodb.maxConnections,
      // An operation that sorts or groups may take 100 MB before it goes to disk; one at a time at this worst.
      'a sort in memory': 100,
    }
  },

  redis: (size) => redis(engines(size).redis),
  'redis-node': (size) => redis(engines(size).redisNode),

  rabbitmq(size) {
    const { watermark } = engines(size).rabbitmq
    // Above the watermark nothing is taken in; a collection may hold a process's heap twice meanwhile, half of all at worst.
    return { vm_memory_high_watermark: watermark, 'garbage collection': watermark * 0.5, 'code, atoms': 40 }
  },

  pgbouncer: () => ({
    program: 8,
    // 2 kB, and one buffer of pkt_buf (16 kB) while it sends; max_client_conn 1500.
    'clients × 18 kB': (1500 * 18) / 1024,
    'servers × 34 kB, their prepared statements': 10,
  }),

  nginx: (size) => ({
    // worker_connections 4096 of 424 bytes each (a connection and its two events) are made at the start.
    'workers × (4 + connections)': engines(size).nginx.workers * (4 + (4096 * 424) / 2 ** 20),
    // limit_req_zone, limit_conn_zone, two upstreams, and ssl_session_cache where TLS is on.
    'shared zones': 10 + 10 + 0.5 + 10,
    // A file system in memory: bodies above client_body_buffer_size.
    '/tmp': nginxTmp,
    // proxy_buffer_size and proxy_buffers of 16 kB: what one reader of a large page who does not take it may hold.
    '250 slow readers × 272 kB': (250 * 272) / 1024,
  }),

  'reference-api': (size) => node(container('reference-api', size).memory, heapPercentage, 64),
  'parallel-api': (size) => parallelApi(container('parallel-api', size).memory, parallelTier1),
  worker: (size) => node(container('worker', size).memory, heapPercentage, 0),
}

/** Size of nginx's /tmp in docker-compose.prod.yml. */
export const nginxTmp = 32

/** `--max-old-space-size-percentage` of the Dockerfile. */
export const heapPercentage = 60
/** That of the parallel-api, which has a thread beside it. */
export const parallelHeapPercentage = 53

/** CACHE_L1_MAX_BYTES of the parallel-api in the compose files. */
export const parallelTier1 = 32

/** The thread that computes reports; one does at a time. */
export const reportThread = {
  // REPORT_HEAP_MB of its app.ts.
  'report: old generation': 32,
  // YOUNG_MB of the worker pool.
  'report: young generation': 24,
  // What MAX_GROUPS allows of sums and replies. The process took 60 MB more than before its first report, the heap included.
  'report: outside of the heap': 20,
}

export function parallelApi(limit: number, tier1: number): Sum {
  return { ...node(limit, parallelHeapPercentage, tier1), ...reportThread }
}

export function node(limit: number, percentage: number, tier1: number): Sum {
  return {
    'old generation of the heap': (limit * percentage) / 100,
    // Three semi-spaces of 16 MB.
    'young generation': 48,
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
    // Keys, values, and the buffers of clients, which count against it.
    maxmemory,
    'fragmentation, 15 %': maxmemory * 0.15,
    'a full sync: client-output-buffer-limit replica': replicaBuffer,
    'repl-backlog-size': backlog,
    program: 8,
  }
}
