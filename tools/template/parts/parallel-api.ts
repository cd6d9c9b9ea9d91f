import type { Part } from '../part.ts'

const SETTINGS = ['UPSTREAM_URL', 'HTTP_KEEP_ALIVE', 'PARALLEL_FETCH', 'RESPONSE_CACHE_TTL_SECONDS']

/** The second service with its client for the first, and the library of that client. */
export const parallelApi: Part = {
  name: 'parallel-api',
  summary: 'the second service: parallel fetch, calls of the first, reports in threads',
  paths: [
    'services/parallel-api',
    'packages/upstream',
    'packages/telemetry/src/traced-upstream.ts',
    'packages/shop/src/report',
    'tests/faults/upstream-cells.ts',
    'tests/services/shared-reads.test.ts',
  ],
  shared: [
    'infra/kubernetes/base/parallel-api.yaml',
    'bench/scenarios/all.ts',
    'bench/scenarios/report.ts',
    'bench/scenarios/response-schemas.ts',
    'bench/scenarios/shared-reads.ts',
    'bench/scenarios/upstream-keep-alive.ts',
  ],
  words: /parallel-api|parallel_api|parallelApi|packages\/upstream|@reference\/upstream|UPSTREAM_URL/i,
  names: ['parallel-api', 'parallelApi', 'PARALLEL_API_PORT', 'parallel-api:local', ...SETTINGS],
  edits: [
    {
      files: 'bench/scenarios/{index,links}.ts',
      names: [
        'all',
        'sharedReads',
        'responseSchemas',
        'report',
        'upstreamKeepAlive',
        'keepAlive',
        'parallelFetch',
        'workerThreads',
      ],
    },
    { files: 'bench/src/commands/floor-groups.ts', replace: [[/'reference' \| 'parallel'/, "'reference'"]] },
    {
      files: 'docs/TUNING.md',
      lines: [/`(pnpm )?bench (all|report|response-schemas|shared-reads|upstream-keep-alive)/],
    },
    { files: '.ci/run', replace: [[/ order-page all /, ' order-page ']] },
    { files: 'Dockerfile', replace: [[/ --filter-prod @[\w-]+\/parallel-api\.\.\./, '']] },
    { files: '.vscode/launch.json', entries: [/^ {4}\{\n.*parallel-api/] },
    { files: '.devcontainer/devcontainer.json', lines: [/"8001"/], replace: [[/\[8000, 8001\]/, '[8000]']] },
    {
      files: 'packages/config/src/*.ts',
      names: SETTINGS,
      lines: [/tuning: \{ scenario: '(report|response-schemas|shared-reads)'/],
    },
    { files: 'packages/shop/src/statements.ts', names: ['report'] },
    { files: 'packages/shop/src/statements.test.ts', names: ['orderChunk'] },
    { files: 'packages/telemetry/src/telemetry.ts', lines: [/traceUpstream\(tracer\)/] },
    { files: 'packages/telemetry/src/telemetry.test.ts', names: ['parallelUrl'] },
    {
      files: 'packages/local-stack/src/commands/plan.ts',
      names: ['parallelPort', 'parallel', 'parallelInternal', 'upstream', 'above'],
      lines: [/parallel-api/],
      replace: [
        [/; parallel-api has the port above/, ''],
        [/, parallelInternal: above/, ''],
      ],
    },
    {
      files: 'packages/local-stack/src/commands/run-services.ts',
      names: ['parallel-port', 'parallelPort'],
      lines: [/^With PORT=9000 parallel-api/, /\$\{parallel\}/],
      replace: [
        [/\[reference = '', parallel = ''\]/, "[reference = '']"],
        [/name === 'parallel-api' \? port - 1 : port/, 'port'],
        [/ {3}\(parallel-api then gets \$\{free \+ 1\}\)/, ''],
        [/\{ name, host, port \}(: Plan)/, '{ host, port }$1'],
      ],
    },
    {
      files: 'packages/local-stack/src/commands/{plan,start}.test.ts',
      names: ['portsOf'],
      entries: [
        /^t\.test\('(parallel-api has the port above|ports that collide)/,
        /UPSTREAM_URL: 'http:/,
        /aggregate\?limit/,
      ],
      replace: [
        [/, env: \{ HOST \} \}, \{ env: \{ HOST, UPSTREAM_URL: url \} \}\]/, ', env: { HOST } }]'],
        [/, \{ env: \{ INTERNAL_PORT: '(9101|0)' \} \}\]/g, ']'],
        [/for \(const offset of \[0, 1\]\)/, 'for (const offset of [0])'],
        [/port \+ 1(?=\)\}\/health)/, 'port'],
      ],
    },
    {
      files: 'tests/{fuzz,soak,build,compose}/*.ts',
      names: [
        'parallel',
        'parallelOrigin',
        'parallelUrl',
        'PARALLEL_SHARE',
        'PARALLEL_CONCURRENCY',
        'parallelReads',
        'toParallel',
      ],
      lines: [/startLoad\(origins\.parallel/, /audit\(ledger, origins\.parallel/],
      replace: [
        [/1 - PARALLEL_SHARE - RAW_SHARE/, '1 - RAW_SHARE'],
        [/ratePerSecond - toParallel/, 'ratePerSecond'],
        [/, parallel: await parallel\.listening\(\)/, ''],
        [/ of the reference-api and of the parallel-api/i, ' of the reference-api'],
        [
          /The parts of the requests that go to the parallel-api, and that are conversations/,
          'The part of the requests that are conversations',
        ],
      ],
    },
    {
      files: 'tests/faults/{stack,load,process-cells,cell,cells,network,redis-cells}.ts',
      names: ['parallel', 'upstream', 'aggregate'],
      entries: [/case 'aggregate':/],
      lines: [/upstream\.leadTo/, /\.\.\.upstreamCells/],
      replace: [[/KINDS\.filter\(\(kind\) => kind !== 'aggregate'\)/, 'KINDS']],
    },
    {
      files: 'bench/{lab,src/run}/*.ts',
      names: ['upstream'],
      lines: [/#upstream: /, /#upstream = undefined/, /\.\.\.\((this\.#)?upstream &&/],
      replace: [
        [/, this\.#upstream\]/, ']'],
        [/otherPids: upstream \? \[upstream\.pid\] : \[\]/, 'otherPids: []'],
      ],
    },
    {
      files: 'tests/infra/kubernetes.test.ts',
      lines: [/^ {4}'parallel-api: /, /^ {4}'reference-api: parallel-api /],
    },
    { files: 'tests/infra/limits.test.ts', replace: [[/\\\(\\\/parallel\\\)\\\?/, '']] },
    { files: 'tools/generate/recorded-faults.ts', names: ['aggregate'] },
    {
      files: 'tests/faults/recorded.json',
      entries: [/^ {4}\{\n\s+"system": "upstream"/, /^\s+"aggregate":/],
    },
    {
      files: '{infra/prometheus/tests/*.yml,tests/observability/faults.ts}',
      replace: [[/parallel-api/g, 'reference-api']],
    },
    { files: 'infra/nginx/templates/**', replace: [[/\(\/parallel\)\?/g, '']] },
    {
      files: 'infra/postgres/postgresql.conf',
      replace: [[/, one parallel-api 50 \(25 \+ 25\) and 4 of each worker thread that computes reports/, '']],
    },
    { files: 'docs/images/architecture.svg', replace: [[/parallel-api/g, 'a second API']] },
  ],
}
