import { type Cache, cacheSettings, createCache } from '@reference/cache'
import type { Config } from '@reference/config'
import {
  createDatabase,
  createIdempotencyStore,
  createInstallationReader,
  createOutboxStore,
  createRowAudit,
  createWrite,
  type Database,
  databaseSettings,
  type Transaction,
  type Write,
  warnOfSettings,
} from '@reference/database'
import { type App, createOnce, createServer, type Once, serverSettings } from '@reference/http'
import type { Jobs } from '@reference/jobs'
import { createSystems, systemSettings } from '@reference/systems'
import { createWorkerPool } from '@reference/threads'
import { Registry } from 'prom-client'
import { type Caches, createCaches } from './caches.ts'
import { dependenciesOf } from './dependencies.ts'
import { createJobQueue, handleJobs } from './job-queue.ts'
import { createOrderPages, type OrderPages } from './order-pages.ts'
import { configRoutes } from './routes/config.ts'
import { jobRoutes } from './routes/jobs.ts'
import { orderRoutes } from './routes/orders.ts'
import { productRoutes } from './routes/products.ts'
import { userRoutes } from './routes/users.ts'

const CACHE_WARM_UP_MS = 500

/** What the routes are made of. */
export interface AppContext {
  readonly config: Config
  readonly database: Database
  readonly cache: Cache
  readonly caches: Caches
  readonly orderPages: OrderPages
  readonly jobs: Jobs
  readonly write: Write
  /** Makes the change of a request happen once per `idempotency-key`. */
  readonly once: Once<Transaction>
}

/**
 * Puts the service together: each part is made here, and handed to those that need it. None of them needs its server
 * to be there, so the service starts without database and Redis.
 *
 * @returns the server, not listening yet, and `close` for everything else that was opened
 */
export async function createApp(config: Config): Promise<{ app: App; close: () => Promise<void> }> {
  const registry = config.metrics ? new Registry() : undefined
  const metrics = registry === undefined ? {} : { registry }

  const database = createDatabase({
    ...databaseSettings(config),
    ...metrics,
    onSettings: (pool, differences) => warnOfSettings(app.log, pool, differences),
  })
  const systems = createSystems(systemSettings(config))
  const app = await createServer({
    ...serverSettings(config),
    dependencies: [
      ...dependenciesOf(config, { database, cache: () => cache, jobs: () => jobs }),
      ...systems.dependencies,
    ],
    systems: systems.nodes,
    ...metrics,
  })
  const cache = createCache({
    ...cacheSettings(config),
    installation: createInstallationReader(database),
    ...(config.cacheOutbox ? { outbox: createOutboxStore(database) } : {}),
    logger: app.log,
    ...metrics,
  })
  const jobs = createJobQueue(config, { applicationName: config.service, logger: app.log, ...metrics })
  const workers = createWorkerPool({
    filename: new URL('./jobs/digest.ts', import.meta.url),
    threads: config.workerThreads,
    ...metrics,
  })

  const audit = createRowAudit({
    database,
    onFault: (fault) =>
      app.log.warn(
        fault,
        'a check of the schema does not hold for all rows: lists leave out those that break it',
      ),
    ...metrics,
  })

  const caches = createCaches(cache, database, config)
  const context: AppContext = {
    config,
    database,
    cache,
    caches,
    orderPages: createOrderPages(cache, database, config),
    jobs,
    write: createWrite(database, {
      outbox: config.cacheOutbox,
      deliver: (staleKeys, rows) => cache.deliver(staleKeys, rows),
    }),
    once: createOnce(createIdempotencyStore(database)),
  }
  userRoutes(app, context)
  productRoutes(app, context)
  orderRoutes(app, context)
  configRoutes(app, context)
  jobRoutes(app, context)

  if (config.jobHandlers) handleJobs(jobs, { database, workers })

  // The first requests would all go to the database. Redis that is away delays the start by this much and no more.
  await cache.whenUsable(CACHE_WARM_UP_MS)

  // Checks the settings of the sessions at the start, not only at the first probe.
  void database.ready().catch(() => {})

  const close = async () => {
    audit.close()
    await jobs.close()
    await Promise.all([workers.close(), cache.close(), systems.close()])
    await database.close()
  }
  return { app, close }
}
