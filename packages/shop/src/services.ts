import type { ServiceDefinition } from '@reference/config'
import { POOLS } from './pools.ts'

/**
 * The services: their names, ports and pool sizes. Configuration, development servers, benchmarks, infrastructure and tests read
 * them here. This file imports nothing that runs, so that any tool can.
 */
export const SERVICES = {
  'reference-api': {
    name: 'reference-api',
    defaults: { PORT: 8000, DB_POOL_MAX: POOLS['reference-api'].connections },
    ownSettings: ['CACHE_PAGE_TTL_MS', 'CACHE_OUTBOX', 'BACKGROUND_JOBS', 'JOB_HANDLERS'],
  },
  'parallel-api': {
    name: 'parallel-api',
    defaults: { PORT: 8001, DB_POOL_MAX: POOLS['parallel-api'].connections },
    ownSettings: ['RESPONSE_CACHE_TTL_SECONDS', 'UPSTREAM_URL', 'HTTP_KEEP_ALIVE', 'PARALLEL_FETCH'],
  },
} as const satisfies Record<string, ServiceDefinition>

export type ServiceName = keyof typeof SERVICES

/** The process that handles the background jobs of the reference-api. It has the settings of that service. */
export const WORKER = {
  name: 'reference-worker',
  defaults: { PORT: 8002, DB_POOL_MAX: POOLS['reference-api'].connections },
} as const satisfies ServiceDefinition
