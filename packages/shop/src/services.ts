import type { ServiceDefinition } from '@reference/config'
import { POOLS } from './pools.ts'

const REFERENCE_PORT = 8000

interface Service extends ServiceDefinition {
  /** From the root of the repository. */
  readonly main: string
}

/**
 * The services: their names, ports and pool sizes. Configuration, development servers, benchmarks, infrastructure and tests read
 * them here. This file imports nothing that runs, so that any tool can.
 */
export const SERVICES = {
  'reference-api': {
    name: 'reference-api',
    main: 'services/reference-api/src/main.ts',
    defaults: { PORT: REFERENCE_PORT, DB_POOL_MAX: POOLS['reference-api'].connections },
    ownSettings: ['CACHE_PAGE_TTL_MS', 'CACHE_OUTBOX', 'BACKGROUND_JOBS', 'JOB_HANDLERS', 'ORDER_EVENTS_URL'],
  },
  'parallel-api': {
    name: 'parallel-api',
    main: 'services/parallel-api/src/main.ts',
    defaults: {
      PORT: 8001,
      DB_POOL_MAX: POOLS['parallel-api'].connections,
      UPSTREAM_URL: `http://127.0.0.1:${REFERENCE_PORT}`,
    },
    ownSettings: ['RESPONSE_CACHE_TTL_SECONDS', 'UPSTREAM_URL', 'HTTP_KEEP_ALIVE', 'PARALLEL_FETCH'],
  },
} as const satisfies Record<string, Service>

export type ServiceName = keyof typeof SERVICES

/** The process that handles the background jobs of the reference-api. It has the settings of that service. */
export const WORKER = {
  name: 'reference-worker',
  main: 'services/reference-api/src/worker.ts',
  defaults: { PORT: 8002, DB_POOL_MAX: POOLS['reference-api'].connections },
} as const satisfies Service
