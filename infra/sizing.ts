/**
 * One rule for the whole stack: the limits of each container, and the settings of the engine in it. `pnpm infra size` writes both;
 * `size.test.ts` checks that no engine can exceed its container, and that the containers fit the machine.
 *
 * Memory is in MiB throughout.
 */

export const SIZES = ['small', 'medium', 'large'] as const
export type Size = (typeof SIZES)[number]

/** Three machine sizes; `reserved` is for the system, Docker and the page cache. */
export const MACHINES = {
  small: { memory: 8192, cpus: 4, reserved: 512 },
  medium: { memory: 12_288, cpus: 6, reserved: 768 },
  large: { memory: 16_384, cpus: 8, reserved: 1024 },
} as const satisfies Record<Size, { memory: number; cpus: number; reserved: number }>

type Limit = readonly [memory: number, cpus: number]
type Limits = readonly [small: Limit, medium: Limit, large: Limit]

/**
 * The limits of each container on each machine. CPUs may be overcommitted, because not all containers are busy at once; memory may not. No
 * container of `small` has more than two CPUs, so that the stack also starts on a machine with two.
 */
const LIMITS = {
  postgres: [
    [1280, 2],
    [2048, 3],
    [3072, 4],
  ],
  pgbouncer: [
    [64, 0.5],
    [64, 1],
    [64, 1],
  ],
  redis: [
    [512, 1],
    [768, 1],
    [1024, 1],
  ],
  'redis-node': [
    [112, 0.5],
    [256, 1],
    [320, 1],
  ],
  mysql: [
    [1088, 1],
    [1536, 2],
    [2048, 2],
  ],
  mongodb: [
    [768, 1],
    [1536, 2],
    [2048, 2],
  ],
  rabbitmq: [
    [448, 1],
    [640, 1],
    [768, 2],
  ],
  vault: [
    [192, 0.5],
    [256, 0.5],
    [256, 0.5],
  ],
  nginx: [
    [160, 1],
    [160, 1],
    [256, 2],
  ],
  'reference-api': [
    [320, 1],
    [416, 1.5],
    [512, 2],
  ],
  'parallel-api': [
    [384, 1.5],
    [448, 2],
    [512, 3],
  ],
  worker: [
    [256, 1],
    [384, 1],
    [512, 1],
  ],
  prometheus: [
    [320, 0.5],
    [512, 1],
    [768, 1],
  ],
  alertmanager: [
    [48, 0.2],
    [64, 0.2],
    [64, 0.2],
  ],
  grafana: [
    [192, 0.5],
    [256, 1],
    [320, 1],
  ],
  loki: [
    [192, 0.5],
    [320, 1],
    [448, 1],
  ],
  alloy: [
    [128, 0.5],
    [192, 0.5],
    [256, 1],
  ],
  tempo: [
    [192, 0.5],
    [256, 1],
    [320, 1],
  ],
  exporter: [
    [24, 0.1],
    [24, 0.2],
    [24, 0.2],
  ],
  cadvisor: [
    [96, 0.2],
    [128, 0.3],
    [160, 0.3],
  ],
  // pg_receivewal, and now and then gzip and age on a stream.
  backup: [
    [128, 1],
    [128, 1],
    [192, 1],
  ],
  // Runs once and ends before other containers are busy: a migration, a seed, the creation of the cluster.
  job: [
    [256, 1],
    [256, 1],
    [256, 1],
  ],
} as const satisfies Record<string, Limits>

export type SystemName = keyof typeof LIMITS
export const SYSTEM_NAMES = Object.keys(LIMITS) as SystemName[]

export interface Container {
  memory: number
  cpus: number
  reservedMemory: number
  reservedCpus: number
}

/** The limits of a container and its reservations: half of its memory, an eighth of its CPUs. */
export function container(system: SystemName, size: Size): Container {
  const [memory, cpus] = LIMITS[system][SIZES.indexOf(size) as 0 | 1 | 2]
  return { memory, cpus, reservedMemory: memory / 2, reservedCpus: Math.max(0.02, round(cpus / 8, 0.01)) }
}

/** Number of containers of each system that run at once, with `--profile '*'`. */
export const STACKS = {
  development: {
    postgres: 1,
    pgbouncer: 1,
    redis: 1,
    'redis-node': 6,
    mysql: 1,
    mongodb: 1,
    rabbitmq: 1,
    vault: 1,
    'reference-api': 1,
    'parallel-api': 1,
    prometheus: 1,
    alertmanager: 1,
    grafana: 1,
    loki: 1,
    alloy: 1,
    tempo: 1,
    exporter: 5,
    cadvisor: 1,
  },
  production: {
    nginx: 1,
    backup: 1,
    'reference-api': 3,
    'parallel-api': 3,
    worker: 1,
    pgbouncer: 1,
    postgres: 2,
    'redis-node': 6,
    prometheus: 1,
    alertmanager: 1,
    grafana: 1,
    loki: 1,
    alloy: 1,
    tempo: 1,
    exporter: 6,
    cadvisor: 1,
  },
} as const satisfies Record<string, Partial<Record<SystemName, number>>>

/** Sum of the memory limits of all containers of a stack. */
export function memoryOf(stack: keyof typeof STACKS, size: Size): number {
  return Object.entries(STACKS[stack]).reduce(
    (sum, [system, count]) => sum + count * container(system as SystemName, size).memory,
    0,
  )
}

/** Rounds down to a multiple of `step`. */
const floor = (value: number, step: number) => Math.floor(value / step) * step
const round = (value: number, step: number) => Number((Math.round(value / step) * step).toFixed(4))
const between = (low: number, value: number, high: number) => Math.min(high, Math.max(low, value))
const bySize = <T>(size: Size, values: readonly [T, T, T]): T => values[SIZES.indexOf(size) as 0 | 1 | 2]

/** PgBouncer's pool for the services: 25 + 5, fewer on a small Postgres, because each connection may use work_mem. */
export function pools(size: Size) {
  return { pool: bySize(size, [15, 25, 25]), reserve: 5 }
}

/** The settings of every engine, from its container's limit. */
export function engines(size: Size) {
  const of = (system: SystemName) => container(system, size).memory
  const postgres = of('postgres')
  const walGb = bySize(size, [2, 3, 4])
  return {
    postgres: {
      sharedBuffers: floor(postgres * 0.25, 64),
      effectiveCacheSize: floor(postgres * 0.625, 32),
      workMem: between(8, floor(postgres / 192, 2), 16),
      maintenanceWorkMem: floor(postgres / 20, 32),
      autovacuumWorkMem: between(32, floor(postgres / 40, 16), 64),
      maxParallelWorkers: container('postgres', size).cpus,
      // Of disk, not of memory.
      maxWalSize: walGb * 1024,
      minWalSize: walGb * 256,
      maxSlotWalKeepSize: walGb * 512,
    },
    mysql: {
      bufferPool: floor(of('mysql') * 0.6, 64),
      connectionMemory: floor(of('mysql') * 0.08, 4),
      redoLog: bySize(size, [512, 1024, 2048]),
      maxConnections: bySize(size, [60, 100, 150]),
    },
    mongodb: {
      cache: Math.max(256, floor((of('mongodb') - 1024) / 2, 128)),
      maxConnections: bySize(size, [200, 400, 600]),
    },
    redis: redis(of('redis'), 96, 16),
    redisNode: redis(of('redis-node'), floor(of('redis-node') * 0.1875, 4), 4),
    rabbitmq: { watermark: floor(of('rabbitmq') * 0.6, 1) },
    // `auto` counts the cores of the machine, not of the container: on 64 cores the workers alone would fill its memory.
    nginx: { workers: Math.max(2, container('nginx', size).cpus) },
  }
}

function redis(limit: number, replicaBuffer: number, backlog: number) {
  return { maxmemory: floor(limit * 0.6, limit < 256 ? 5 : 10), replicaBuffer, backlog }
}
