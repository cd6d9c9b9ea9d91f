import type { Part } from '../part.ts'

/** In place of the hourly job. */
const PURGE = `  // The replies of idempotency keys are valid for 24 h.
  const purge = () => createIdempotencyStore(database).purge(AbortSignal.timeout(PURGE_MS))
  const purging = setInterval(() => {
    purge().catch((error: unknown) => logger.warn(error, 'old idempotency keys were not deleted'))
  }, PURGE_MS).unref()
`

/** The queue, the routes that enqueue, and the process that handles jobs beside the APIs. */
export const jobs: Part = {
  name: 'jobs',
  summary: 'durable background jobs: the queue, its routes, the worker process',
  paths: [
    'packages/jobs',
    'packages/telemetry/src/traced-jobs.ts',
    'services/reference-api/src/jobs',
    'services/reference-api/src/routes/jobs*.ts',
    'services/reference-api/src/worker*.ts',
    'services/reference-api/src/background.test.ts',
    'tests/jobs',
    'tests/faults/queue-cells.ts',
  ],
  shared: [
    'bench/scenarios/process-data.ts',
    'infra/kubernetes/base/worker.yaml',
    'infra/grafana/src/boards/jobs.ts',
    'infra/grafana/dashboards/jobs.json',
    'infra/prometheus/tests/jobs.yml',
  ],
  words:
    /jobRoutes|packages\/jobs|@reference\/jobs|pg-?boss|process-?data|reference-worker|jobs_(oldest|duration|queue|dead)|JOB_HANDLERS|BACKGROUND_JOBS|jobHandlers|backgroundJobs|handleJobs|\/jobs\b|job queue|worker process\b|reference-api\/worker/i,
  names: [
    ...['worker', 'reference-worker', 'jobs', 'jobRoutes', 'jobsRequired', 'JOBS_SCHEMA', 'WORKER'],
    ...[
      'JOB_HANDLERS',
      'BACKGROUND_JOBS',
      'ORDER_EVENTS_URL',
      'processData',
      'processDataBeside',
      'pgboss.job',
      '/jobs/{id}',
    ],
    'pg-boss',
  ],
  edits: [
    { files: '.ci/nightly', entries: [/^stage (chaos|cron|jobs-throughput) /] },
    { files: '.ci/run', replace: [[/ env CHAOS_JOBS=150/, '']] },
    { files: 'bench/scenarios/links.ts', names: ['backgroundJobs'] },
    // Calls are gone: `pnpm check api` wants a version for that.
    {
      files: 'services/reference-api/package.json',
      replace: [[/"version": "0\.1\.0"/, '"version": "0.2.0"']],
    },
    { files: '.vscode/launch.json', entries: [/^ {4}\{\n.*'s worker on/] },
    {
      files: 'infra/kubernetes/**/*.yaml',
      names: ['worker'],
      lines: [/- worker\.yaml$/, /- \{ name: worker,/],
    },
    { files: 'docker-compose*.yml', entries: [/^ {2}worker:/] },
    { files: '{infra/{sizing,worst-case},tests/infra/size.test}.ts', names: ['worker'] },
    {
      files: '{infra/grafana/src/boards/overview.ts,infra/grafana/provisioning/datasources/*.yml}',
      names: ['worker'],
    },
    { files: 'docs/OPERATIONS.md', lines: [/^\| `worker` \|/] },
    {
      files: 'infra/kubernetes/README.md',
      replace: [[/ worker(?=; do kubectl)/, '']],
    },
    { files: 'infra/grafana/src/boards/overview.ts', entries: [/^ {8}\{\n\s+title: 'Oldest job'/] },
    { files: 'infra/prometheus/rules/*.yml', entries: [/- alert: (Jobs\w+|DeadLetters)$/] },
    { files: 'docs/RUNBOOK.md', replace: [[/### (?:Jobs\w+|DeadLetters)\n(?:.+\n)+\n/g, '']] },
    { files: 'packages/local-stack/src/commands/run-services.ts', lines: [/process-data/] },
    {
      files: 'packages/local-stack/src/testing/service.ts',
      replace: [[/\{ \.\.\.SERVICES, \[WORKER\.name\]: WORKER \}/, '{ ...SERVICES }']],
    },
    { files: 'packages/telemetry/src/telemetry.ts', lines: [/traceJobs\(tracer\)/] },
    { files: 'packages/telemetry/src/telemetry.test.ts', names: ['worker'] },
    { files: 'services/reference-api/src/app.ts', names: ['jobsRequired'] },
    {
      files: 'services/reference-api/src/assemble.ts',
      names: ['jobsRequired'],
      replace: [
        [/, \{ jobsRequired \}\)/, ')'],
        [/What the API and the worker process have in common: a/, 'A'],
      ],
    },
    {
      files: 'services/reference-api/src/dependencies.ts',
      entries: [/^ {4}\{\n\s+name: 'jobs'/, /^ {2}\{ jobsRequired \}/],
      lines: [/@param jobsRequired/],
    },
    {
      files: 'services/reference-api/src/context.ts',
      names: ['workers', 'THREAD_IDLE_MS', 'handleJobs', 'jobs'],
      entries: [/^ {2}handleJobs\(\): void/],
      lines: [/await jobs\.close\(\)/, /^ {2}const backgroundJobs = /],
      replace: [
        [/workers\.close\(\), /, ''],
        [/^import .*'@[\w-]+\/threads'\n/m, ''],
        [/(?=^ {2}const context: Context = \{)/m, PURGE],
        [/(?<=async close\(\) \{\n)/, '      clearInterval(purging)\n'],
        [/(?<=^const CACHE_WARM_UP_MS = \d+\n)/m, '\nconst PURGE_MS = 3_600_000\n'],
        [
          / that routes and jobs use\. The API and the worker process have the same ones\./,
          ' that routes use.',
        ],
      ],
    },
    {
      files: 'services/reference-api/src/routes/orders.ts',
      lines: [/config\.orderEventsUrl/],
      replace: [[/, jobs, config \}/, ' }']],
    },
    {
      files: 'services/reference-api/src/commands/migrate.ts',
      names: ['jobs', 'JOBS_SCHEMA'],
      lines: [/if \(jobs\.changed\)/],
      replace: [[/ and of the job queue/, '']],
    },
    {
      files: 'tests/{faults,soak}/*.ts',
      names: ['job', 'worker'],
      lines: [/^ {2}`\$\{head\('POST \/process-data'/],
    },
    { files: 'tools/generate/recorded-faults.ts', names: ['job'] },
    { files: 'tests/faults/cells.ts', lines: [/\.\.\.queueCells/] },
    {
      files: 'tests/faults/recorded.json',
      entries: [/^ {4}\{\n\s+"system": "queue"/, /^\s+"job":/],
    },
    {
      files: 'tests/infra/kubernetes.test.ts',
      names: ['worker'],
      lines: [/^ {4}'worker: /],
    },
    { files: 'Dockerfile', replace: [[/for program in main worker migrate/, 'for program in main migrate']] },
    {
      files: 'docs/ADD-A-RESOURCE.md',
      replace: [[/one metric, and one background job\./, 'and one metric.']],
    },
  ],
}
