import type { Scenario } from '../src/run/scenario.ts'
import { all } from './all.ts'
import { autoPipelining } from './auto-pipelining.ts'
import { concurrencyLimit } from './concurrency-limit.ts'
import { dbBatching } from './db-batching.ts'
import { encodings, encodingsBr, encodingsZstd } from './encodings.ts'
import { health } from './health.ts'
import { indexOnTime, indexOnUser } from './indexes.ts'
import { metrics } from './metrics.ts'
import { mixed, mixedCold, mixedWide } from './mixed.ts'
import { naive } from './naive.ts'
import { nginx, nginxOrderPage } from './nginx.ts'
import { orderPage } from './order-page.ts'
import { pgbouncer } from './pgbouncer.ts'
import { poolSize } from './pool-size.ts'
import { preparedStatements } from './prepared-statements.ts'
import { processData, processDataBeside } from './process-data.ts'
import { report } from './report.ts'
import { requestLogging } from './request-logging.ts'
import { responseSchemas } from './response-schemas.ts'
import { sharedReads } from './shared-reads.ts'
import { traces } from './traces.ts'
import { upstreamKeepAlive } from './upstream-keep-alive.ts'
import { userById } from './user-by-id.ts'
import { userUpdate } from './user-update.ts'

/** All scenarios, in the order in which they run and are shown. */
export const scenarios: readonly Scenario[] = [
  naive,
  health,
  userById,
  orderPage,
  all,
  sharedReads,
  report,
  mixed,
  mixedWide,
  mixedCold,
  encodings,
  encodingsBr,
  encodingsZstd,
  dbBatching,
  poolSize,
  preparedStatements,
  pgbouncer,
  nginx,
  nginxOrderPage,
  indexOnUser,
  indexOnTime,
  autoPipelining,
  userUpdate,
  responseSchemas,
  requestLogging,
  metrics,
  concurrencyLimit,
  traces,
  upstreamKeepAlive,
  processData,
  processDataBeside,
]
