/**
 * One rule for the whole stack: the limits of each container, and the settings of the engine in it. `pnpm infra size` writes both;
 * `size.test.ts` checks that no engine can exceed its container, and that the containers fit the machine.
 *
 * Memory is in MiB throughout.
 */

export const SIZES = ['small', 'medium', 'large'] as const
export type Size = (typeof SIZES)[number]

/**
 * What the machine mostly does. It decides where the memory above 16 GiB goes, and how much a sort of Postgres may use.
 *
 * - `web`: many short statements on many connections, most reads from the cache
 * - `mixed`: requests, jobs and reports; the sizes of the repository
 * - `analytics`: few statements that read and sort much
 */
export const WORKLOADS = ['web', 'mixed', 'analytics'] as const
export type Workload = (typeof WORKLOADS)[number]

export interface Machine {
  readonly memory: number
  readonly cpus: number
  readonly workload: Workload
}

/** Bounds within which the rules are tested. */
export const MACHINE_BOUNDS = { memory: [2048, 524_288], cpus: [1, 64] } as const

/** Three machine sizes; a sixteenth of the memory is for the system, Docker and the page cache. */
export const MACHINES = {
  small: { memory: 8192, cpus: 4, reserved: 512, workload: 'mixed' },
  medium: { memory: 12_288, cpus: 6, reserved: 768, workload: 'mixed' },
  large: { memory: 16_384, cpus: 8, reserved: 1024, workload: 'mixed' },
} as const satisfies Record<Size, Machine & { reserved: number }>

/** One of the sizes by its name, or any machine. */
export type Target = Size | Machine

export const machineOf = (target: Target): Machine => (typeof target === 'string' ? MACHINES[target] : target)

/** Memory that no container gets. */
export const reservedOf = (target: Target): number => machineOf(target).memory / 16

type Limit = readonly [memory: number, cpus: number]
type Limits = readonly [small: Limit, medium: Limit, large: Limit]

/**
 * The limits of each container on the three sizes; {@link container} has the rule for a machine between and beyond them. CPUs may be overcommitted, because not all containers are busy at once; memory may not. No
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

/**
 * A machine below `small` has no room for the whole stack. These containers run there; the others need a machine of 8 GiB, or one of
 * their own.
 */
const CORE = [
  'postgres',
  'pgbouncer',
  'redis',
  'nginx',
  'reference-api',
  'parallel-api',
  'worker',
  'job',
] as const
/** Of these the limits shrink with the machine, Postgres with the first share and Redis with the second; the others stay. */
const SHRINKING = { postgres: 0.714, redis: 0.286 }

/**
 * Shares of the memory above `large` for each container, and the most that a container can use. What they leave is page cache. A
 * process of Node uses one core, and its caches are bounded, so an API gets little.
 */
const GROWTH: Readonly<Record<Workload, Partial<Record<SystemName, number>>>> = {
  web: {
    postgres: 0.25,
    redis: 0.12,
    'redis-node': 0.03,
    mysql: 0.05,
    mongodb: 0.05,
    'reference-api': 0.02,
    'parallel-api': 0.02,
  },
  mixed: {
    postgres: 0.3,
    redis: 0.08,
    'redis-node': 0.02,
    mysql: 0.06,
    mongodb: 0.06,
    'reference-api': 0.015,
    'parallel-api': 0.015,
    worker: 0.02,
  },
  analytics: {
    postgres: 0.4,
    redis: 0.02,
    'redis-node': 0.005,
    mysql: 0.06,
    mongodb: 0.06,
    'parallel-api': 0.01,
    worker: 0.02,
  },
}
const MOST: Partial<Record<SystemName, number>> = {
  'reference-api': 1024,
  'parallel-api': 1024,
  worker: 1024,
}
const GROWING_CPUS: readonly SystemName[] = [
  'postgres',
  'nginx',
  'mysql',
  'mongodb',
  'reference-api',
  'parallel-api',
]

/** Whether a machine has room for a system. */
export function hasRoom(system: SystemName, target: Target): boolean {
  return machineOf(target).memory >= MACHINES.small.memory || (CORE as readonly string[]).includes(system)
}

/**
 * The limits of a container and its reservations: half of its memory, an eighth of its CPUs. Between the three sizes the limits lie
 * on the line between their neighbours.
 */
export function container(system: SystemName, target: Target): Container {
  const machine = machineOf(target)
  const [memory, cpus] = [memoryLimit(system, machine), cpuLimit(system, machine.cpus)]
  return { memory, cpus, reservedMemory: memory / 2, reservedCpus: Math.max(0.02, round(cpus / 8, 0.01)) }
}

function memoryLimit(system: SystemName, machine: Machine): number {
  const [small, , large] = LIMITS[system]
  const { memory, workload } = machine
  if (memory < MACHINES.small.memory) return Math.min(small[0], smallLimit(system, machine))
  if (memory <= MACHINES.large.memory)
    return exactOr(memory, 'memory', (size) => LIMITS[system][SIZES.indexOf(size)]?.[0] ?? 0, 8)
  const surplus = (GROWTH[workload][system] ?? 0) * (memory - MACHINES.large.memory)
  return Math.min(Math.max(large[0], MOST[system] ?? Number.POSITIVE_INFINITY), large[0] + floor(surplus, 8))
}

function smallLimit(system: SystemName, machine: Machine): number {
  const share = SHRINKING[system as keyof typeof SHRINKING]
  if (share === undefined) return LIMITS[system][0][0]
  const others = CORE.filter((each) => !(each in SHRINKING) && each !== 'job')
  const left =
    machine.memory - reservedOf(machine) - others.reduce((sum, each) => sum + LIMITS[each][0][0], 0)
  return floor(left * share, 8)
}

function cpuLimit(system: SystemName, cpus: number): number {
  const [small, , large] = LIMITS[system]
  if (cpus < MACHINES.small.cpus) return Math.max(0.1, Math.min(small[1], cpus))
  if (cpus <= MACHINES.large.cpus)
    return exactOr(cpus, 'cpus', (size) => LIMITS[system][SIZES.indexOf(size)]?.[1] ?? 0, 0.1)
  return GROWING_CPUS.includes(system) ? floor((large[1] * cpus) / MACHINES.large.cpus, 0.5) : large[1]
}

/** The value of a size, or the one between its neighbours, rounded down. */
function exactOr(at: number, axis: 'memory' | 'cpus', limitAt: (size: Size) => number, step: number): number {
  const exact = SIZES.find((size) => MACHINES[size][axis] === at)
  if (exact !== undefined) return limitAt(exact)
  const [below, above] =
    at < MACHINES.medium[axis] ? (['small', 'medium'] as const) : (['medium', 'large'] as const)
  const part = (at - MACHINES[below][axis]) / (MACHINES[above][axis] - MACHINES[below][axis])
  const value = limitAt(below) + part * (limitAt(above) - limitAt(below))
  return Math.max(limitAt(below), Number(floor(value + 1e-9, step).toFixed(4)))
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

/** Sum of the memory limits of all containers of a stack that the machine has room for. */
export function memoryOf(stack: keyof typeof STACKS, target: Target): number {
  const isSmall = machineOf(target).memory < MACHINES.small.memory
  return Object.entries(STACKS[stack]).reduce((sum, [name, count]) => {
    const system = name as SystemName
    if (!hasRoom(system, target)) return sum
    return sum + (isSmall ? 1 : count) * container(system, target).memory
  }, 0)
}

/** Rounds down to a multiple of `step`. */
const floor = (value: number, step: number) => Math.floor(value / step) * step
const round = (value: number, step: number) => Number((Math.round(value / step) * step).toFixed(4))
const between = (low: number, value: number, high: number) => Math.min(high, Math.max(low, value))

/** PgBouncer's pool for the services, by the limit of Postgres. */
export function pools(target: Target) {
  const { memory, cpus } = container('postgres', target)
  return poolsFor({ memory, cpus, workload: machineOf(target).workload })
}

/**
 * Connections of the pool: 25 + 5, fewer on a small Postgres, because each may use work_mem, and two a core on a large one. A
 * statement that waits for the disk or for its client leaves its core to another one; above that statements only wait in Postgres.
 */
function poolsFor({ memory, cpus, workload }: Machine) {
  if (memory < SMALL_POSTGRES) return { pool: 8, reserve: 2 }
  if (memory < 2048) return { pool: 15, reserve: 5 }
  return { pool: between(25, cpus * 2, largestPool({ memory, workload })), reserve: 5 }
}

/** However many cores there are: each connection needs its share of the memory. */
const largestPool = ({ memory, workload }: Pick<Machine, 'memory' | 'workload'>) =>
  Math.max(25, Math.min(workload === 'analytics' ? 25 : 100, Math.floor(memory / 110)))

/** The settings of every engine, from its container's limit. */
export function engines(target: Target) {
  const { workload } = machineOf(target)
  const of = (system: SystemName) => container(system, target)
  return {
    postgres: postgresFor({ ...of('postgres'), workload }),
    mysql: mysqlFor(of('mysql')),
    mongodb: {
      cache: Math.max(256, floor((of('mongodb').memory - 1024) / 2, 128)),
      maxConnections: of('mongodb').memory < 1536 ? 200 : of('mongodb').memory < 2048 ? 400 : 600,
    },
    redis: redisFor(of('redis')),
    redisNode: redisFor(of('redis-node')),
    rabbitmq: { watermark: floor(of('rabbitmq').memory * 0.6, 1) },
    // `auto` counts the cores of the machine, not of the container: on 64 cores the workers alone would fill its memory.
    // A worker takes 6 MiB, and the rest of nginx 130.
    nginx: {
      workers: Math.max(
        2,
        Math.min(Math.floor(of('nginx').cpus), Math.floor((of('nginx').memory - 130) / 6)),
      ),
    },
  }
}

/** Below this memory Postgres gets fewer connections, and each of them less memory. */
const SMALL_POSTGRES = 1280

/** The most memory of one sort, by workload. */
export const MOST_WORK_MEM = { web: 16, mixed: 64, analytics: 256 } as const

/** Settings of a Postgres that has this memory and these cores: a container, or a whole machine. */
export function postgresFor(machine: Machine) {
  const { memory, cpus, workload } = machine
  const walGb = between(2, Math.floor(memory / 1024) + 1, 16)
  // Above 3 GiB the pool grows with the machine, and a hash of each of its connections may take a quarter of the memory.
  const share =
    memory <= 3072
      ? memory / 192
      : Math.max(16, Math.min(memory / 192, memory / (8 * (largestPool(machine) + 5))))
  return {
    // Without PgBouncer one reference-api opens at most 40, one parallel-api 50. A small one has no memory for this many.
    maxConnections: memory < SMALL_POSTGRES ? 60 : 150,
    sharedBuffers: floor(memory * 0.25, 64),
    effectiveCacheSize: floor(memory * 0.625, 32),
    workMem: memory < SMALL_POSTGRES ? 4 : between(8, floor(share, 2), MOST_WORK_MEM[workload]),
    maintenanceWorkMem: between(32, floor(memory / 20, 32), 2048),
    autovacuumWorkMem: memory < SMALL_POSTGRES ? 16 : between(32, floor(memory / 40, 16), 64),
    maxParallelWorkers: Math.max(1, Math.min(Math.floor(cpus), Math.floor(memory / 512))),
    // Of disk, not of memory.
    maxWalSize: walGb * 1024,
    minWalSize: walGb * 256,
    maxSlotWalKeepSize: walGb * 512,
  }
}

// part:mysql
/** Settings of a MySQL that has this memory. */
export function mysqlFor({ memory }: Pick<Machine, 'memory'>) {
  return {
    bufferPool: Math.max(64, floor(memory * 0.6, 64)),
    connectionMemory: Math.max(16, floor(memory * 0.08, 4)),
    redoLog: memory < 1536 ? 512 : memory < 2048 ? 1024 : between(2048, floor(memory / 2, 1024), 8192),
    maxConnections: memory < 1536 ? 60 : memory < 2048 ? 100 : between(150, floor(memory / 16, 50), 500),
  }
}
// end:mysql

/** Settings of a Redis that has this memory. */
export function redisFor({ memory }: Pick<Machine, 'memory'>) {
  return {
    maxmemory: floor(memory * 0.6, memory < 256 ? 5 : 10),
    replicaBuffer: memory <= 512 ? floor(memory * 0.1875, 4) : Math.max(96, floor(memory * 0.0625, 16)),
    backlog: memory < 512 ? 4 : Math.max(16, floor(memory / 64, 16)),
  }
}
