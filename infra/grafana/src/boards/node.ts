import type { Dashboard } from '../panel.ts'

export const node: Dashboard = {
  uid: 'node',
  title: 'Node runtime',
  about: 'Event loop, heap, garbage collection and handles of each replica.',
  rows: [
    {
      title: 'Event loop',
      panels: [
        {
          title: 'Utilisation',
          unit: 'percentunit',
          max: 1,
          queries: [['nodejs_eventloop_utilization_ratio', '{{service}} {{instance}}']],
        },
        {
          title: 'Delay, p99',
          about: 'Measured by a timer of 10 ms: 0.01 s is none.',
          unit: 's',
          queries: [['nodejs_eventloop_lag_p99_seconds', '{{service}} {{instance}}']],
        },
        {
          title: 'Delay, longest',
          unit: 's',
          queries: [['nodejs_eventloop_lag_max_seconds', '{{service}} {{instance}}']],
        },
      ],
    },
    {
      title: 'Memory',
      panels: [
        {
          title: 'Heap used',
          unit: 'bytes',
          queries: [['nodejs_heap_size_used_bytes', '{{service}} {{instance}}']],
        },
        {
          title: 'Outside of the heap',
          unit: 'bytes',
          queries: [['nodejs_external_memory_bytes', '{{service}} {{instance}}']],
        },
        {
          title: 'Resident',
          unit: 'bytes',
          queries: [['process_resident_memory_bytes{service!=""}', '{{service}} {{instance}}']],
        },
      ],
    },
    {
      title: 'Garbage collection',
      panels: [
        {
          title: 'Share of time',
          unit: 'percentunit',
          queries: [
            [
              'sum by (service, instance, kind) (rate(nodejs_gc_duration_seconds_sum[$__rate_interval]))',
              '{{service}} {{instance}} {{kind}}',
            ],
          ],
        },
        {
          title: 'Collections',
          unit: 'ops',
          queries: [
            [
              'sum by (service, kind) (rate(nodejs_gc_duration_seconds_count[$__rate_interval]))',
              '{{service}} {{kind}}',
            ],
          ],
        },
        {
          title: 'Heap by space',
          unit: 'bytes',
          stacked: true,
          queries: [['sum by (space) (nodejs_heap_space_size_used_bytes)', '{{space}}']],
        },
      ],
    },
    {
      title: 'Process',
      panels: [
        {
          title: 'CPU, in cores',
          queries: [
            ['rate(process_cpu_seconds_total{service!=""}[$__rate_interval])', '{{service}} {{instance}}'],
          ],
        },
        {
          title: 'Handles by type',
          queries: [['sum by (service, type) (nodejs_active_resources)', '{{service}} {{type}}']],
        },
        {
          title: 'Open files',
          queries: [['process_open_fds{service!=""}', '{{service}} {{instance}}']],
        },
      ],
    },
    {
      title: 'Upstream, requests in flight',
      panels: [
        {
          title: 'Calls to the upstream',
          unit: 'ops',
          queries: [
            [
              'sum by (outcome) (rate(upstream_request_duration_seconds_count[$__rate_interval]))',
              '{{outcome}}',
            ],
            ['sum(rate(upstream_retries_total[$__rate_interval]))', 'tried again'],
          ],
        },
        {
          title: 'Breaker of the upstream',
          about: '0 closed, 1 open, 2 half-open',
          queries: [['max by (service, instance) (upstream_breaker_state)', '{{service}} {{instance}}']],
        },
        {
          title: 'Requests in flight, refused by the parser',
          queries: [
            ['sum by (service, instance) (http_requests_in_flight)', '{{service}} {{instance}}'],
            [
              'sum by (status) (rate(http_requests_refused_total[$__rate_interval]))',
              'refused {{status}} /s',
            ],
          ],
        },
        {
          title: 'Overload: requests in flight, their limit, refusals',
          about: 'Reports are refused first, then writes, then reads; operational calls and hot routes never',
          queries: [
            ['sum by (service, instance) (http_concurrency_in_flight)', 'in flight {{service}} {{instance}}'],
            ['sum by (service, instance) (http_concurrency_limit)', 'limit {{service}} {{instance}}'],
            [
              'sum by (service, priority) (rate(http_overload_refused_total[$__rate_interval]))',
              'refused {{service}} {{priority}} /s',
            ],
          ],
        },
      ],
    },
  ],
}
