import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { REPOSITORY_ROOT } from '@reference/cli'
import { NEWEST_ORDER, ordersPages } from '@reference/shop/orders/queries'
import { productsPage } from '@reference/shop/products/queries'
import { userById, usersPage } from '@reference/shop/users/queries'
import { recordReplies } from '../../floor/recorded-replies.ts'
import { ALL_LISTS, hotUsers, orderPages } from '../../scenarios/requests.ts'
import { UNCACHED } from '../../scenarios/uncached.ts'
import type { GroupPlan, StartPlan } from '../duet/plan.ts'
import type { Bench } from '../run/bench.ts'
import { type ProcessPlan, startProcess } from '../stack/process.ts'
import { type Build, compileCache } from '../stack/server.ts'
import { pgbenchSide, redisBenchmarkSide, TOOL_SLICE_MS } from './floor-tools.ts'
import { ourProcess } from './ours.ts'

const CONNECTIONS = 50
/** Of pgbench, as many as a service keeps. */
const SESSIONS = 30
const HEALTH = [{ path: '/health' }]

const OURS = { kind: 'process', name: 'ours', label: 'ours' } as const
const NODE_HTTP = {
  kind: 'process',
  name: 'node-http',
  label: 'node:http, same bytes',
  process: 'node-http',
} as const
const FASTIFY = { kind: 'process', name: 'fastify', label: 'bare Fastify', process: 'fastify' } as const

interface FloorPlan {
  readonly groups: readonly GroupPlan[]
  readonly starts: StartPlan
}

/** Each path beside its floor. Starts our services once, to record the replies that the floor repeats. */
export async function planFloor(bench: Bench, build: Build): Promise<FloorPlan> {
  const options = { stack: bench.stack, build, folder: bench.folder }
  const reference = ourProcess('reference-api', options, 'reference-api')
  const parallel = ourProcess('parallel-api', options, 'parallel-api') // part:parallel-api
  const floor = await floorProcesses(bench, {
    reference,
    parallel, // part:parallel-api
  })
  return {
    groups: [
      { processes: [reference, floor.nodeHttp, floor.fastify], rows: memoryRows(bench) },
      {
        processes: [ourProcess('reference-api', options, 'uncached', UNCACHED)],
        rows: [databaseRow(bench)],
      },
      {
        processes: [ourProcess('reference-api', options, 'tier-2', { CACHE_L1: 'off' })],
        rows: [redisRow(bench)],
      },
      // part:parallel-api
      {
        processes: [
          parallel,
          ourProcess('parallel-api', options, 'not-shared', { SHARED_READS: 'off' }),
          floor.nodeHttp,
        ],
        rows: allRows(bench),
      },
      // end:parallel-api
    ],
    starts: {
      requests: hotUsers(bench.stack.dataset),
      processes: [
        ...(['dist', 'sources'] as const).map((each) => ({
          ...ourProcess('reference-api', { ...options, build: each }, `ours-${each}`),
          label: each === 'dist' ? 'ours, as built by pnpm build' : 'ours, from its sources',
        })),
        { ...floor.fastify, label: 'bare Fastify' },
      ],
    },
  }
}

async function floorProcesses(
  bench: Bench,
  {
    reference,
    parallel, // part:parallel-api
  }: Readonly<Record<'reference' | 'parallel', ProcessPlan>>,
): Promise<{ nodeHttp: ProcessPlan; fastify: ProcessPlan }> {
  const { dataset } = bench.stack
  const recorded = {
    ...(await record(bench, reference, [...HEALTH, ...hotUsers(dataset), ...orderPages('gzip')()])),
    ...(await record(bench, parallel, ALL_LISTS)), // part:parallel-api
  }
  const file = join(bench.folder, 'replies.json')
  writeFileSync(file, JSON.stringify(recorded))
  const server = (name: string, source: string): ProcessPlan => ({
    name,
    command: [process.execPath, fileURLToPath(new URL(`../../floor/${source}`, import.meta.url))],
    cwd: REPOSITORY_ROOT,
    readyPath: '/health',
    environment: { REPLIES: file, NODE_COMPILE_CACHE: compileCache(bench.folder) },
  })
  return { nodeHttp: server('node-http', 'node-http.ts'), fastify: server('fastify', 'bare-fastify.ts') }
}

async function record(bench: Bench, plan: ProcessPlan, requests: Parameters<typeof recordReplies>[1]) {
  const { placement, folder, signal } = bench
  const running = await startProcess(plan, { cores: placement.server, folder, signal })
  try {
    return await recordReplies(running.origin, requests)
  } finally {
    await running.stop()
  }
}

/** Paths that are answered from the memory of the process. */
function memoryRows({ stack: { dataset } }: Bench): GroupPlan['rows'] {
  const ours = { ...OURS, process: 'reference-api' }
  const common = { connections: CONNECTIONS, sameBytes: true }
  return [
    {
      ...common,
      name: 'health',
      title: 'GET /health',
      about: 'The shortest reply.',
      requests: HEALTH,
      sides: [ours, NODE_HTTP, FASTIFY],
    },
    {
      ...common,
      name: 'cached-user',
      title: 'GET /users/:id, cache tier 1',
      about: '1,000 users that are requested again and again.',
      requests: hotUsers(dataset),
      tier: 'l1',
      sides: [ours, NODE_HTTP, FASTIFY],
    },
    {
      ...common,
      name: 'order-page',
      title: 'GET /orders, stored page, gzip',
      about: 'Five pages of 100 orders that are stored compressed and read from Postgres once a second.',
      requests: orderPages('gzip')(),
      sides: [ours, NODE_HTTP],
    },
  ]
}

function databaseRow(bench: Bench): GroupPlan['rows'][number] {
  const { dataset } = bench.stack
  const { text, bind } = userById.compiled()
  return {
    name: 'user-from-postgres',
    title: 'GET /users/:id, from Postgres',
    about: 'No cache. pgbench sends the same statement for one row at a time on each of 30 connections.',
    connections: CONNECTIONS,
    requests: hotUsers(dataset),
    sliceMs: TOOL_SLICE_MS,
    tier: 'off',
    sides: [
      { ...OURS, process: 'uncached' },
      pgbenchSide(bench, {
        statements: [{ text, values: bind({ id: 1 }) }],
        users: Math.min(1000, dataset.users),
        connections: SESSIONS,
      }),
    ],
  }
}

function redisRow(bench: Bench): GroupPlan['rows'][number] {
  return {
    name: 'user-from-redis',
    title: 'GET /users/:id, cache tier 2',
    about: 'Without tier 1. redis-benchmark reads the same value with one command a time on each connection.',
    connections: CONNECTIONS,
    requests: hotUsers(bench.stack.dataset),
    sliceMs: TOOL_SLICE_MS,
    tier: 'l2',
    sides: [{ ...OURS, process: 'tier-2' }, redisBenchmarkSide(bench, CONNECTIONS)],
  }
}

// part:parallel-api
function allRows(bench: Bench): GroupPlan['rows'] {
  const lists = [
    { statement: usersPage, params: { after: 0, limit: 100 } },
    { statement: ordersPages.all, params: { ...NEWEST_ORDER, limit: 100 } },
    { statement: productsPage, params: { after: 0, limit: 100 } },
  ]
  const pgbench = pgbenchSide(bench, {
    connections: SESSIONS,
    statements: lists.map(({ statement, params }) => {
      const { text, bind } = statement.compiled()
      return { text, values: bind(params) }
    }),
  })
  const common = { connections: CONNECTIONS, requests: ALL_LISTS, sameBytes: true }
  return [
    {
      ...common,
      name: 'all',
      title: 'GET /all, 3 × 100 rows, identical calls',
      about: 'Identical calls share their queries. node:http sends the same bytes.',
      sides: [{ ...OURS, process: 'parallel-api' }, NODE_HTTP],
    },
    {
      ...common,
      name: 'all-not-shared',
      title: 'GET /all, 3 × 100 rows, no two calls alike',
      about:
        'With SHARED_READS=off each call sends its three statements. pgbench sends the same three one after the other.',
      sliceMs: TOOL_SLICE_MS,
      sides: [{ ...OURS, process: 'not-shared' }, pgbench],
    },
  ]
}
// end:parallel-api
