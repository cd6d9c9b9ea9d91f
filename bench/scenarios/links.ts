import type { Links } from '../src/run/scenario.ts'

/** The subjects of the scenarios: the file with the code, and the heading that explains it. A test checks that both exist. */
export const LINKS = {
  autoPipelining: { code: 'packages/cache/src/batch.ts', docs: 'packages/cache/README.md#options' },
  backgroundJobs: {
    code: 'services/reference-api/src/jobs/process-data.ts',
    docs: 'packages/jobs/README.md#when-to-use-a-job',
  },
  batchedReads: {
    code: 'packages/database/src/row-reader.ts',
    docs: 'packages/database/README.md#batched-reads',
  },
  cache: { code: 'packages/cache/src/reader.ts', docs: 'packages/cache/README.md#the-life-of-a-read' },
  compression: { code: 'packages/http/src/compression.ts', docs: 'docs/TUNING.md#apis' },
  hotRoutes: { code: 'packages/http/src/hot-routes.ts', docs: 'packages/http/README.md#hot-routes' },
  indexes: { code: 'packages/shop/src/orders/table.ts', docs: 'packages/shop/README.md#indexes' },
  keepAlive: {
    code: 'packages/upstream/src/upstream.ts',
    docs: 'services/parallel-api/README.md#upstream',
  },
  metrics: { code: 'packages/http/src/metrics.ts', docs: 'docs/OBSERVABILITY.md#what-is-measured' },
  nginx: { code: 'infra/nginx/nginx.conf', docs: 'docs/OPERATIONS.md#the-cost-of-nginx' },
  nginxKeepAlive: {
    code: 'infra/nginx/templates/20-upstreams.conf.template',
    docs: 'docs/OPERATIONS.md#nginx',
  },
  outbox: { code: 'packages/cache/src/outbox.ts', docs: 'packages/cache/README.md#how-it-stays-correct' },
  overload: { code: 'packages/http/src/concurrency.ts', docs: 'packages/http/README.md#overload' },
  parallelFetch: {
    code: 'packages/async/src/fetch-all.ts',
    docs: 'services/parallel-api/README.md#structured-fetch',
  },
  pgbouncer: { code: 'infra/pgbouncer/pgbouncer.ini', docs: 'docs/TUNING.md#postgres' },
  pool: { code: 'packages/database/src/pool.ts', docs: 'packages/database/README.md#pools' },
  preparedStatements: {
    code: 'packages/database/src/statement-sender.ts',
    docs: 'packages/database/README.md#choices-and-their-figures',
  },
  requestLog: { code: 'packages/http/src/logging.ts', docs: 'docs/OBSERVABILITY.md#logs' },
  responseSchemas: { code: 'packages/http/src/server.ts', docs: 'docs/TUNING.md#apis' },
  sharedReads: {
    code: 'packages/http/src/shared-replies.ts',
    docs: 'services/parallel-api/README.md#shared-reads',
  },
  storedReplies: { code: 'services/reference-api/src/order-pages.ts', docs: 'docs/TUNING.md#apis' },
  switches: { code: 'packages/config/src/settings.ts', docs: 'docs/SETTINGS.md#every-switch' },
  tier1: { code: 'packages/cache/src/tier1.ts', docs: 'packages/cache/README.md#the-life-of-a-read' },
  tier2: { code: 'packages/cache/src/tier2.ts', docs: 'packages/cache/README.md#the-life-of-a-read' },
  traces: { code: 'packages/telemetry/src/register.ts', docs: 'docs/OBSERVABILITY.md#traces' },
  workerThreads: {
    code: 'services/parallel-api/src/report/worker.ts',
    docs: 'services/parallel-api/README.md#report',
  },
} as const satisfies Readonly<Record<string, Links>>
