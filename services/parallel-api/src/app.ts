import { cacheSettings, createCache } from '@reference/cache'
import type { Config } from '@reference/config'
import {
  createDatabase,
  createInstallationReader,
  createOutboxStore,
  databaseSettings,
  warnOfSettings,
} from '@reference/database'
import { type App, createServer, type OverloadOptions, serverSettings } from '@reference/http'
import { createSystems, systemSettings } from '@reference/systems'
import { createWorkerPool } from '@reference/threads'
import { createUpstream } from '@reference/upstream'
import { Registry } from 'prom-client'
import { createAggregate } from './aggregate.ts'
import { dependenciesOf } from './dependencies.ts'
import { createReports } from './report/report.ts'
import { createReportCache } from './report-cache.ts'
import { aggregateRoute } from './routes/aggregate.ts'
import { allRoute } from './routes/all.ts'
import { reportRoute } from './routes/report.ts'
import { userRoute } from './routes/users.ts'
import { createUserCache } from './user-cache.ts'

/** Deadlines of the calls. Each is below the 60 s after which the proxy gives up, and above what a loaded machine needs. */
export interface Deadlines {
  readonly allMs: number
  readonly aggregateMs: number
  readonly reportMs: number
  /** One attempt of one call to the upstream. */
  readonly upstreamAttemptMs: number
}

const defaultDeadlines: Deadlines = {
  allMs: 5_000,
  aggregateMs: 10_000,
  reportMs: 50_000,
  upstreamAttemptMs: 2_000,
}

/**
 * Heap of a thread that computes reports: past it the thread dies, and not the process. It grows with the groups, not with the
 * orders, and this is enough for more than `MAX_GROUPS` (report/too-large.test.ts).
 */
const REPORT_HEAP_MB = 32

/**
 * Puts the service together: each part is made here, and handed to those that need it. Nothing is asked of the
 * database, of Redis or of the upstream yet, so the service starts without them.
 *
 * @returns the server, not listening yet, and `close` for everything else that was opened
 */
export async function createApp(
  config: Config,
  { deadlines, overload }: { deadlines?: Partial<Deadlines>; overload?: OverloadOptions } = {},
): Promise<{ app: App; close: () => Promise<void> }> {
  const { allMs, aggregateMs, reportMs, upstreamAttemptMs } = { ...defaultDeadlines, ...deadlines }
  const registry = config.metrics ? new Registry() : undefined
  const metrics = registry === undefined ? {} : { registry }

  const database = createDatabase({
    ...databaseSettings(config),
    ...metrics,
    onSettings: (pool, differences) => warnOfSettings(app.log, pool, differences),
  })
  const upstream = createUpstream({
    name: 'reference-api',
    url: config.upstreamUrl,
    keepAlive: config.httpKeepAlive,
    attemptTimeoutMs: upstreamAttemptMs,
    ...metrics,
  })
  const systems = createSystems(systemSettings(config))
  const app = await createServer({
    ...serverSettings(config),
    dependencies: [
      ...dependenciesOf(config, { database, upstream, cache: () => cache }),
      ...systems.dependencies,
    ],
    systems: systems.nodes,
    ...(overload && { overload }),
    ...metrics,
  })
  const cache = createCache({
    ...cacheSettings(config),
    installation: createInstallationReader(database),
    // Writes nothing, but reads tier 2: after an outage of Redis not before what writers left undelivered is through.
    ...(config.cacheOutbox && { outbox: createOutboxStore(database) }),
    logger: app.log,
    ...metrics,
  })
  const workers = createWorkerPool({
    filename: new URL('./report/worker.ts', import.meta.url),
    threads: config.workerThreads,
    // A thread with a database of its own takes 0.5 s of CPU to start and 30 MB: not where nobody asks for reports.
    keepIdleMs: 300_000,
    maxHeapMb: REPORT_HEAP_MB,
    ...metrics,
  })
  const parallel = config.parallelFetch

  allRoute(app, { database, parallel, timeoutMs: allMs })
  aggregateRoute(app, createAggregate({ upstream, parallel, timeoutMs: aggregateMs, ...metrics }))
  const reports = createReports({
    database,
    workers,
    connect: databaseSettings(config),
    timeoutMs: reportMs,
    ...(parallel ? {} : { lanes: 1 }),
  })
  reportRoute(
    app,
    reports,
    createReportCache(cache, reports, {
      ttlSeconds: config.responseCacheTtlSeconds,
      // The report's own deadline says it better.
      limitMs: reportMs + 5_000,
    }),
  )
  userRoute(app, createUserCache(cache, database, config))

  // The settings of its sessions are looked at now, and not only when a probe asks.
  void database.ready().catch(() => {})

  const close = async () => {
    await Promise.all([workers.close(), cache.close(), upstream.close(), systems.close()])
    await database.close()
  }
  return { app, close }
}
