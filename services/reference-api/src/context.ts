import type { Registry } from '@prometheus-io/client'
import { type Cache, cacheSettings, createCache } from '@reference/cache'
import type { Config } from '@reference/config'
import {
  createDatabase,
  createIdempotencyStore,
  createInstallationReader,
  createMigrationCheck,
  createOutboxStore,
  createWrite,
  type Database,
  databaseSettings,
  type Transaction,
  type Write,
  warnOfMigrations,
  warnOfSettings,
} from '@reference/database'
import { type App, createOnce, type Once } from '@reference/http'
import { createJobs, type Jobs, jobsSettings } from '@reference/jobs'
import { type Cached, createCached, MIGRATIONS, POOLS } from '@reference/shop'
import { createWorkerPool, type WorkerPool } from '@reference/threads'
import { jobsOf } from './jobs/index.ts'

/** The objects that routes and jobs use. The API and the worker process have the same ones. */
export interface Context {
  readonly config: Config
  /** For metrics of the service's own; undefined with `METRICS=off`. */
  readonly registry: Registry | undefined
  readonly database: Database
  readonly cache: Cache
  /** The namespace of a resource's cache entry. */
  readonly cached: Cached
  readonly jobs: Jobs
  /** Runs `jobs/digest.ts`. */
  readonly workers: WorkerPool
  /** The path of every write: the change, then the invalidation of the rows that it made stale, then the answer. */
  readonly write: Write
  /** Makes the change of a request happen once per `idempotency-key`. */
  readonly once: Once<Transaction>
  /** From now on this process takes jobs from the queue. */
  handleJobs(): void
  /** Before the server listens: waits for Redis for a short time, and starts the first connection to the database. */
  warmUp(): Promise<void>
  /** Rejects with the names of the migrations that the database lacks. */
  migrationsApplied(signal?: AbortSignal): Promise<void>
  close(): Promise<void>
}

export interface ContextOptions {
  readonly logger: App['log']
  readonly registry: Registry | undefined
}

/** The time that a start waits for Redis. Without it, the first requests would all go to the database. */
const CACHE_WARM_UP_MS = 500

/** Few jobs are large enough for a thread. A thread takes 5 MB and starts within the time that such a job takes. */
const THREAD_IDLE_MS = 300_000

/** Opens the parts of the service and connects them. None of them needs its server, so the service starts without them. */
export function createContext(config: Config, { logger, registry }: ContextOptions): Context {
  const metrics = registry === undefined ? {} : { registry }
  const database = createDatabase({
    ...databaseSettings(config, POOLS['reference-api']),
    onSettings: (pool, differences) => warnOfSettings(logger, pool, differences),
    ...metrics,
  })
  const cache = createCache({
    ...cacheSettings(config),
    installation: createInstallationReader(database),
    ...(config.cacheOutbox && { outbox: createOutboxStore(database) }),
    logger,
    ...metrics,
  })
  const backgroundJobs = jobsOf(config)
  const jobs = createJobs({
    ...jobsSettings(config),
    definitions: backgroundJobs.map(({ definition }) => definition),
    logger,
    ...metrics,
  })
  const workers = createWorkerPool({
    filename: new URL('./jobs/digest.ts', import.meta.url),
    threads: config.workerThreads,
    keepIdleMs: THREAD_IDLE_MS,
    ...metrics,
  })
  const context: Context = {
    config,
    registry,
    database,
    cache,
    cached: createCached(cache, { database, config }),
    jobs,
    workers,
    write: createWrite(database, {
      outbox: config.cacheOutbox,
      deliver: (staleKeys, rows) => cache.deliver(staleKeys, rows),
    }),
    once: createOnce(createIdempotencyStore(database)),
    migrationsApplied: createMigrationCheck({
      database,
      migrations: MIGRATIONS,
      onUnapplied: (names) => warnOfMigrations(logger, names),
    }),
    handleJobs() {
      for (const job of backgroundJobs) job.work(context)
    },
    async warmUp() {
      // Check the settings of the database sessions at start, not only when a readiness probe connects.
      void database.ready().catch(() => {})
      void context.migrationsApplied().catch(() => {})
      await cache.whenUsable(CACHE_WARM_UP_MS)
    },
    async close() {
      await jobs.close()
      await Promise.all([workers.close(), cache.close()])
      await database.close()
    },
  }
  return context
}
