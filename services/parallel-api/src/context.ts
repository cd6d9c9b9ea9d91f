import type { Registry } from '@prometheus-io/client'
import { type Cache, cacheSettings, createCache, type Namespace } from '@reference/cache'
import type { Config } from '@reference/config'
import {
  createDatabase,
  createInstallationReader,
  createMigrationCheck,
  createOutboxStore,
  type Database,
  databaseSettings,
  warnOfMigrations,
  warnOfSettings,
} from '@reference/database'
import type { App } from '@reference/http'
import { createCached, MIGRATIONS, POOLS } from '@reference/shop'
import { userEntry } from '@reference/shop/users/cache'
import type { User } from '@reference/shop/users/model'
import { createWorkerPool } from '@reference/threads'
import { createUpstream, type Upstream } from '@reference/upstream'
import { type Aggregate, createAggregate } from './aggregate.ts'
import { createReports, type Reports } from './report/report.ts'
import { createReportCache, type ReportCache } from './report-cache.ts'

/** The service that `/aggregate` calls, as `/ready` and error messages name it. */
export const UPSTREAM_NAME = 'reference-api'

/** Deadlines of the calls. Each is below the 60 s after which the proxy ends a call, and above what a loaded machine needs. */
export interface Deadlines {
  readonly allMs: number
  readonly aggregateMs: number
  readonly reportMs: number
  /** One attempt of one call to the upstream. */
  readonly upstreamAttemptMs: number
}

const DEFAULT_DEADLINES: Deadlines = {
  allMs: 5_000,
  aggregateMs: 10_000,
  reportMs: 50_000,
  upstreamAttemptMs: 2_000,
}

/**
 * Heap of a thread that computes reports: a thread that exceeds it ends, and the process goes on. The heap grows with the
 * groups, not with the orders. `MAX_GROUPS` of them after a report that was too large (report/too-large.test.ts) passed in 6 of 6
 * runs with 28 MB, in none of 6 with 24.
 */
const REPORT_HEAP_MB = 32

/** A report thread with its own database takes 0.5 s of CPU to start and 30 MB, so idle ones do not stay. */
const REPORT_THREAD_IDLE_MS = 300_000

/** The objects that the routes use. */
export interface Context {
  readonly config: Config
  readonly deadlines: Deadlines
  readonly database: Database
  readonly cache: Cache
  readonly upstream: Upstream
  readonly aggregate: Aggregate
  readonly reports: Reports
  readonly reportCache: ReportCache
  readonly users: Namespace<number, User>
  /** Rejects with the names of the migrations that the database lacks. */
  migrationsApplied(signal?: AbortSignal): Promise<void>
  close(): Promise<void>
}

export interface ContextOptions {
  readonly logger: App['log']
  readonly registry?: Registry | undefined
  /** In place of the default ones. */
  readonly deadlines?: Partial<Deadlines> | undefined
}

/**
 * Makes the parts of the service and connects them. None of them calls the database, Redis or the upstream yet, so the service
 * starts without them.
 */
export function createContext(config: Config, options: ContextOptions): Context {
  const { logger, registry } = options
  const deadlines = { ...DEFAULT_DEADLINES, ...options.deadlines }
  const metrics = registry === undefined ? {} : { registry }
  const database = createDatabase({
    ...databaseSettings(config, POOLS['parallel-api']),
    ...metrics,
    onSettings: (pool, differences) => warnOfSettings(logger, pool, differences),
  })
  const upstream = createUpstream({
    name: UPSTREAM_NAME,
    url: config.upstreamUrl,
    keepAlive: config.httpKeepAlive,
    attemptTimeoutMs: deadlines.upstreamAttemptMs,
    sharedReads: config.sharedReads,
    ...metrics,
  })
  const cache = createCache({
    ...cacheSettings(config),
    installation: createInstallationReader(database),
    // This service writes nothing. With the outbox it does not read tier 2 after an outage of Redis before the invalidations
    // that writers could not deliver have been delivered.
    ...(config.cacheOutbox && { outbox: createOutboxStore(database) }),
    logger,
    ...metrics,
  })
  const workers = createWorkerPool({
    filename: new URL('./report/worker.ts', import.meta.url),
    threads: config.workerThreads,
    keepIdleMs: REPORT_THREAD_IDLE_MS,
    maxHeapMb: REPORT_HEAP_MB,
    ...metrics,
  })
  const parallel = config.parallelFetch
  const reports = createReports({
    database,
    workers,
    connect: databaseSettings(config, POOLS['parallel-api']),
    timeoutMs: deadlines.reportMs,
    ...(parallel ? {} : { lanes: 1 }),
  })
  const reportCache = createReportCache(cache, reports, {
    ttlSeconds: config.responseCacheTtlSeconds,
    // Later than the deadline of the report, whose error says what took too long.
    limitMs: deadlines.reportMs + 5_000,
  })
  return {
    config,
    deadlines,
    database,
    cache,
    upstream,
    aggregate: createAggregate({ upstream, parallel, timeoutMs: deadlines.aggregateMs, ...metrics }),
    reports,
    reportCache,
    users: createCached(cache, { database, config })(userEntry),
    migrationsApplied: createMigrationCheck({
      database,
      migrations: MIGRATIONS,
      onUnapplied: (names) => warnOfMigrations(logger, names),
    }),
    async close() {
      await Promise.all([workers.close(), cache.close(), upstream.close()])
      await database.close()
    },
  }
}
