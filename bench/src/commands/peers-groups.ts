import { ALL_LISTS, hotUsers } from '../../scenarios/requests.ts'
import { UNCACHED } from '../../scenarios/uncached.ts'
import type { GroupPlan, SidePlan, StartPlan } from '../duet/plan.ts'
import type { Request } from '../load/request.ts'
import type { Bench } from '../run/bench.ts'
import { type Dataset, scatteredIds } from '../stack/dataset.ts'
import type { ProcessPlan } from '../stack/process.ts'
import type { Build } from '../stack/server.ts'
import { ourProcess } from './ours.ts'
import type { PeerProgram } from './peer-programs.ts'

const CONNECTIONS = 50
/** Of lists, whose replies take milliseconds: 50 callers of FastAPI would wait for seconds. */
const LIST_CONNECTIONS = 16
const PAGES = 200
const PAGE_ROWS = 50

export interface Peer {
  readonly name: string
  readonly label: string
  readonly program: PeerProgram
  /** Of every process of this peer. */
  readonly environment: Readonly<Record<string, string>>
}

interface PeersPlan {
  readonly groups: readonly GroupPlan[]
  readonly starts: StartPlan
}

/** Our services beside the guide's own applications, on the same databases and under the same load. */
export function planPeers(bench: Bench, build: Build, peers: readonly Peer[]): PeersPlan {
  const { stack, folder } = bench
  const options = { stack, build, folder }
  const cached = [
    ourProcess('reference-api', options, 'reference-api'),
    ...processesOf(bench, peers, 'cached', {}),
  ]
  const [reference = ourProcess('reference-api', options, 'reference-api'), ...others] = cached
  return {
    groups: [
      { processes: cached, rows: cachedRows(stack.dataset, peers) },
      {
        processes: [
          ourProcess('reference-api', options, 'uncached', UNCACHED),
          ...processesOf(bench, peers, 'uncached', { CACHE: 'off' }),
        ],
        rows: databaseRows(stack.dataset, peers),
      },
      // part:parallel-api
      {
        processes: [
          ourProcess('parallel-api', options, 'shared'),
          ourProcess('parallel-api', options, 'not-shared', { SHARED_READS: 'off' }),
          ...processesOf(bench, peers, 'all', {}),
        ],
        rows: allRows(peers),
      },
      // end:parallel-api
    ],
    starts: {
      requests: hotUsers(stack.dataset),
      processes: [
        { ...reference, label: 'ours' },
        ...others.map((process) => {
          const peer = peers.find(({ name }) => process.name === `${name}-cached`)
          return { ...process, label: peer?.label ?? process.name }
        }),
      ],
    },
  }
}

function processesOf(
  { stack }: Bench,
  peers: readonly Peer[],
  role: string,
  settings: Readonly<Record<string, string>>,
): ProcessPlan[] {
  return peers.flatMap(({ name, program, environment }) => {
    if (program.kind === 'absent') return []
    const { command, cwd } = program
    return {
      name: `${name}-${role}`,
      command,
      cwd,
      readyPath: '/health',
      environment: {
        ...stack.environment,
        ...environment,
        ...settings,
      },
    }
  })
}

/** Ours, then each peer. */
function sides(ours: string, peers: readonly Peer[], role: string): SidePlan[] {
  return [
    { kind: 'process', name: 'ours', label: 'ours', process: ours },
    ...peers.map(({ name, label, program }): SidePlan => {
      if (program.kind === 'absent') return { kind: 'absent', name, label, reason: program.reason }
      return { kind: 'process', name, label, process: `${name}-${role}`, jit: false }
    }),
  ]
}

function cachedRows(dataset: Dataset, peers: readonly Peer[]): GroupPlan['rows'] {
  const common = {
    connections: CONNECTIONS,
    sides: sides('reference-api', peers, 'cached'),
  }
  return [
    {
      ...common,
      name: 'health',
      title: 'GET /health',
      about: 'The shortest reply.',
      requests: [{ path: '/health' }],
    },
    {
      ...common,
      name: 'cached-user',
      title: 'GET /users/:id, cached in the process',
      about: '1,000 users that are requested again and again.',
      requests: hotUsers(dataset),
      tier: 'l1',
    },
  ]
}

function databaseRows(dataset: Dataset, peers: readonly Peer[]): GroupPlan['rows'] {
  const common = {
    connections: CONNECTIONS,
    sides: sides('uncached', peers, 'uncached'),
  }
  return [
    {
      ...common,
      name: 'user-from-postgres',
      title: 'GET /users/:id, from Postgres',
      about: 'No cache: each request reads its row.',
      requests: hotUsers(dataset),
      tier: 'off',
    },
    {
      ...common,
      connections: LIST_CONNECTIONS,
      name: 'user-page',
      title: 'GET /users, pages of 50 rows',
      about: `${PAGES} different pages, from Postgres.`,
      requests: userPages(dataset),
    },
  ]
}

// part:parallel-api
function allRows(peers: readonly Peer[]): GroupPlan['rows'] {
  const common = { connections: LIST_CONNECTIONS, requests: ALL_LISTS }
  return [
    {
      ...common,
      name: 'all',
      title: 'GET /all, 3 × 100 rows, identical calls',
      about: 'Identical calls of ours share their queries.',
      sides: sides('shared', peers, 'all'),
    },
    {
      ...common,
      name: 'all-not-shared',
      title: 'GET /all, 3 × 100 rows, no two calls alike',
      about: 'With SHARED_READS=off each call of ours sends its three statements, as those of the peers do.',
      sides: sides('not-shared', peers, 'all'),
    },
  ]
}
// end:parallel-api

/** Pages that start at different users. The cursor is the id in base64, for us and for the peers. */
function userPages({ users }: Dataset): Request[] {
  return scatteredIds(users, PAGES).map((id) => {
    const cursor = Buffer.from(String(id)).toString('base64url')
    return { path: `/users?limit=${PAGE_ROWS}&after=${cursor}` }
  })
}
