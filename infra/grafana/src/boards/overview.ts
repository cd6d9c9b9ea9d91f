import type { Dashboard } from '../panel.ts'

const percentile = (q: number) =>
  `histogram_quantile(${q}, service_le:http_request_duration_seconds_bucket:rate1m)`

const requests = 'rate(http_request_duration_seconds_count[$__rate_interval])'
const failures = 'rate(http_request_duration_seconds_count{status=~"5.."}[$__rate_interval])'

/** RED (rate, errors, duration) and USE (utilisation, saturation, errors) by service and replica, on one screen. */
export const overview: Dashboard = {
  uid: 'overview',
  title: 'Overview',
  about: 'Requests, errors and durations of each service; what its replicas use, and where they wait.',
  rows: [
    {
      title: 'Now',
      panels: [
        { title: 'Replicas', kind: 'stat', queries: [['service:replicas:count', '{{service}}']] },
        {
          title: 'Requests missed of the objective, 1 h',
          about: '99.9 % within 250 ms and without a 5xx: 0.1 % spends the budget exactly.',
          kind: 'stat',
          worryAbove: 0.001,
          unit: 'percentunit',
          queries: [['service:slo_misses:ratio_1h', '{{service}}']],
        },
        {
          title: 'Alerts firing',
          kind: 'stat',
          worryAbove: 1,
          queries: [['count(ALERTS{alertstate="firing", alertname!="Watchdog"}) or vector(0)', 'firing']],
        },
        {
          title: 'Targets missing',
          kind: 'stat',
          worryAbove: 1,
          queries: [['count(up == 0) or vector(0)', 'missing']],
        },
        {
          title: 'Oldest job',
          kind: 'stat',
          worryAbove: 60,
          unit: 's',
          queries: [['max(jobs_oldest_ready_seconds)', 'waits']],
        },
        {
          title: 'What runs',
          about: 'Two revisions: a deploy is in progress.',
          kind: 'name',
          queries: [['count by (version, commit, node) (build_info)', '{{version}} {{commit}} {{node}}']],
        },
      ],
    },
    {
      title: 'RED, by service and replica',
      panels: [
        {
          title: 'Rate: requests',
          about: 'Stacked: the height is what the service answers as a whole.',
          unit: 'reqps',
          stacked: true,
          width: 6,
          queries: [[`sum by (service, instance) (${requests})`, '{{service}} {{instance}}']],
        },
        {
          title: 'Errors: 5xx of all requests',
          unit: 'percentunit',
          width: 6,
          queries: [
            ['service:http_requests_5xx:rate1m / (service:http_requests:rate1m > 0)', '{{service}}'],
            [
              `(sum by (service, instance) (${failures}) or 0 * sum by (service, instance) (${requests})) / (sum by (service, instance) (${requests}) > 0)`,
              '{{service}} {{instance}}',
            ],
          ],
        },
        {
          title: 'Duration, by service',
          about: 'Points are requests whose trace is kept; each leads to it.',
          unit: 's',
          exemplars: true,
          width: 6,
          queries: [
            [percentile(0.5), '{{service}} p50'],
            // Not the recorded one, which has no exemplars.
            [
              'histogram_quantile(0.95, sum by (service, le) (rate(http_request_duration_seconds_bucket[$__rate_interval])))',
              '{{service}} p95',
            ],
            [percentile(0.99), '{{service}} p99'],
          ],
        },
        {
          title: 'Duration, by replica: p95',
          unit: 's',
          width: 6,
          queries: [
            [
              'histogram_quantile(0.95, sum by (service, instance, le) (rate(http_request_duration_seconds_bucket[$__rate_interval])))',
              '{{service}} {{instance}}',
            ],
          ],
        },
      ],
    },
    {
      title: 'USE, by replica',
      panels: [
        {
          title: 'Utilisation: event loop',
          unit: 'percentunit',
          max: 1,
          width: 6,
          queries: [['nodejs_eventloop_utilization_ratio', '{{service}} {{instance}}']],
        },
        {
          title: 'Utilisation: CPU, in cores',
          width: 6,
          queries: [
            ['rate(process_cpu_seconds_total{service!=""}[$__rate_interval])', '{{service}} {{instance}}'],
          ],
        },
        {
          title: 'Saturation: waiting for the database',
          width: 6,
          queries: [['sum by (service, instance) (db_pool_waiting)', '{{service}} {{instance}}']],
        },
        {
          title: 'Memory: resident',
          unit: 'bytes',
          width: 6,
          queries: [['process_resident_memory_bytes{service!=""}', '{{service}} {{instance}}']],
        },
      ],
    },
    {
      title: 'By route',
      panels: [
        {
          title: 'Requests',
          unit: 'reqps',
          queries: [
            [
              'topk(10, sum by (service, route) (rate(http_request_duration_seconds_count[$__rate_interval])))',
              '{{service}} {{route}}',
            ],
          ],
        },
        {
          title: 'p95',
          unit: 's',
          queries: [
            [
              'topk(10, histogram_quantile(0.95, service_route_le:http_request_duration_seconds_bucket:rate5m))',
              '{{service}} {{route}}',
            ],
          ],
        },
        {
          title: 'By status',
          unit: 'reqps',
          stacked: true,
          queries: [
            ['sum by (status) (rate(http_request_duration_seconds_count[$__rate_interval]))', '{{status}}'],
          ],
        },
      ],
    },
    {
      title: 'Log',
      panels: [
        {
          title: 'Warnings and errors',
          about: 'A line’s traceId leads to its trace.',
          kind: 'logs',
          queries: [['{service=~"reference-api|parallel-api|worker", level=~"warn|error|fatal"}', '']],
        },
      ],
    },
  ],
}
