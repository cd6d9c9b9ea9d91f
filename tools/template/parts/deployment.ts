import type { Part } from '../part.ts'

export const kubernetes: Part = {
  name: 'kubernetes',
  summary: 'manifests for Kubernetes, and the tests that check them without a cluster',
  paths: ['infra/kubernetes', 'tests/infra/kubernetes*.ts', 'tests/infra/pod-security.ts'],
  words: /kubernetes|kubectl|kustom/i,
  names: ['kubernetes-models'],
  titles: ['Kubernetes'],
  edits: [
    {
      files: 'packages/config/src/misspelt.test.ts',
      lines: [/^ {4}KUBERNETES_/],
      replace: [[/,infra\/kubernetes\/\*\*\/\*\.yaml/, '']],
    },
  ],
}

export const observability: Part = {
  name: 'observability',
  summary: 'Prometheus, Grafana, Loki, Tempo, Alertmanager: dashboards, alerts, their tests',
  paths: [
    'infra/grafana',
    'infra/prometheus',
    'infra/alertmanager',
    'infra/alloy',
    'infra/loki',
    'infra/tempo',
    'docker-compose.observability.yml',
    'infra/observability.development.yml',
    'infra/observability.development.env',
    'tests/observability',
    'tests/infra/observers.test.ts',
    'tests/infra/documented-settings.ts',
    'tools/generate/dashboards.ts',
    'docs/RUNBOOK.md',
    'docs/images/dashboard.png',
  ],
  shared: ['tests/prod/observers.test.ts', 'tools/infra/bench-metrics.ts'],
  words:
    /grafana|alertmanager|\bloki\b|\btempo\b|\balloy\b|cadvisor|observability\.yml|infra\/prometheus|test:observability|bench-metrics|RUNBOOK/i,
  names: [
    'observability',
    'prometheus',
    'alertmanager',
    'grafana',
    'loki',
    'alloy',
    'tempo',
    'exporter',
    'cadvisor',
    'dashboards',
    'bench-metrics',
  ],
  titles: ['Grafana', 'Loki', 'Tempo', 'Alloy', 'Alertmanager'],
  edits: [
    {
      files: '.ci/*',
      entries: [/^\s*stage observability /],
      replace: [
        [/, production and its observability/, ' and production'],
        [/, production and observability/, ' and production'],
        [/ production observability\b/g, ' production'],
      ],
    },
    {
      files: 'tests/compose/files.test.ts',
      names: ['observability', 'observability-production'],
      replace: [
        [/, 'docker-compose\.observability\.yml'\]/, ']'],
        [/, '-f', 'docker-compose\.observability\.yml'/, ''],
      ],
    },
    { files: 'tests/prod/run.ts', lines: [/name: 'observers'/] },
    { files: 'tests/run.ts', lines: [/^ {2}pnpm test:observability/] },
    { files: 'tools/check/prose.ts', lines: [/'\*\.alloy'/] },
    { files: 'tools/check/unused.ts', lines: [/'tests\/observability\//] },
    { files: 'tools/generate/main.ts', names: ['dashboards'], lines: [/^dashboards /] },
    {
      files: 'tools/prod/{main,production,up}.ts',
      entries: [/^\s*if \(observability !== undefined/],
      replace: [
        [/ OBSERVABILITY=on also starts Prometheus, Grafana and all exporters\./, ''],
        [/, \.\.\.\(observed \? \[.*?\] : \[\]\)/, ''],
        [/ OBSERVABILITY: observability,/, ''],
        [/, or stop observers or traces/, ', or stop traces'],
      ],
      lines: [/const observed =/, /observed && \{ COMPOSE_PROFILES/],
    },
    { files: 'docker-compose.yml', entries: [/^include:/] },
    { files: 'infra/all.env', replace: [[/,observability(,observability-mysql)?$/m, '']] },
  ],
}

export const production: Part = {
  name: 'production',
  summary: 'production on one machine: compose file, deploys, failover, backups, their tests',
  paths: [
    'docker-compose.prod.yml',
    'tools/prod',
    'tests/prod',
    'infra/backup',
    'infra/redis/production',
    'infra/postgres/production',
    'infra/pgbouncer/databases.production.ini',
    'tests/compose/nginx.test.ts',
    'docs/OPERATIONS.md',
  ],
  // They need a production or its files: tests of the observers, of the benchmark's nginx, and of a restore.
  shared: [
    'bench/src/stack/nginx.test.ts',
    'services/reference-api/src/restored.test.ts',
    'tests/observability/{check-fault,faults,load,pages,run,shorten,stack}.ts',
    'tests/observability/compose.yml',
  ],
  words:
    /docker-compose\.prod|pnpm prod\b|test:prod|test:observability|tools\/prod|tests\/prod|OPERATIONS\.md|PROD_STATE/,
  names: ['docker-compose.prod.yml'],
  edits: [
    {
      files: '.ci/*',
      entries: [/^\s*stage (production|observability) /, /^for part in releases/],
      replace: [
        [/ the compose stack(, production and its observability| and production)/, ' the compose stack'],
        [
          /: the stages compose(, production and observability| and production) did not run/,
          ': the stage compose did not run',
        ],
        [/ compose production( observability)?\b/g, ' compose'],
      ],
    },
    {
      files: 'bench/scenarios/links.ts',
      replace: [[/docs\/OPERATIONS\.md#[\w-]+/g, 'docs/TUNING.md#apis']],
    },
    {
      files: 'tests/infra/{size,limits,observers}.test.ts',
      entries: [
        /^t\.test\("the services' connections fit/,
        /^t\.test\('the tmpfs of nginx/,
        /^t\.test\('production on one machine limits/,
      ],
    },
    {
      files: 'tests/docs/docs.test.ts',
      entries: [/if \(name\.startsWith\('NGINX_'\)/],
      replace: [
        [/\n.*docker-compose\.prod\.yml.*/, ''],
        [/rows\.length >= 12/, 'rows.length >= 9'],
      ],
    },
    { files: 'docs/LIMITS.md', lines: [/`NGINX_/] },
    { files: 'tools/check/unused.ts', lines: [/'tools\/prod\//] },
    { files: 'tests/infra/kubernetes.ts', names: ['composeEnvironments'] },
    { files: 'tests/infra/size.test.ts', names: ['databases.production.ini'] },
    {
      files: 'tests/compose/files.test.ts',
      entries: [/^t\.test\(\n.*production is complete with each profile/],
      replace: [
        [/\n.*const production = \['docker-compose\.prod\.yml'.*/, ''],
        [/\[\['docker-compose\.yml'\], production\]/, "[['docker-compose.yml']]"],
      ],
    },
    { files: 'tests/run.ts', lines: [/^ {2}pnpm test:(prod|observability)/] },
  ],
}
