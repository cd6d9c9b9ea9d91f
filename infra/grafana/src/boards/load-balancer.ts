import type { Dashboard } from '../panel.ts'

export const loadBalancer: Dashboard = {
  uid: 'load-balancer',
  title: 'Load balancer',
  about: 'nginx, and how evenly its requests reach the replicas.',
  rows: [
    {
      title: 'nginx',
      panels: [
        {
          title: 'Requests',
          unit: 'reqps',
          queries: [['sum(rate(nginx_http_requests_total[$__rate_interval]))', 'requests']],
        },
        {
          title: 'Connections',
          queries: [
            ['sum(nginx_connections_active)', 'active'],
            ['sum(nginx_connections_waiting)', 'idle'],
            ['sum(nginx_connections_writing)', 'writing'],
          ],
        },
        {
          title: 'New connections',
          about: 'Accepted but not handled: worker_connections is too small.',
          queries: [
            ['sum(rate(nginx_connections_accepted[$__rate_interval]))', 'accepted'],
            ['sum(rate(nginx_connections_handled[$__rate_interval]))', 'handled'],
          ],
        },
      ],
    },
    {
      title: 'Replicas',
      panels: [
        {
          title: 'Requests by replica',
          unit: 'reqps',
          width: 12,
          queries: [
            [
              'sum by (service, instance) (rate(http_request_duration_seconds_count[$__rate_interval]))',
              '{{service}} {{instance}}',
            ],
          ],
        },
        {
          title: 'Refused or failed by replica',
          unit: 'reqps',
          width: 12,
          queries: [
            [
              'sum by (service, instance) (rate(http_request_duration_seconds_count{status=~"5.."}[$__rate_interval])) or 0 * sum by (service, instance) (rate(http_request_duration_seconds_count[$__rate_interval]))',
              '{{service}} {{instance}}',
            ],
          ],
        },
      ],
    },
    {
      title: 'Log',
      panels: [
        {
          title: 'Requests that failed or were limited',
          kind: 'logs',
          queries: [['{service="nginx"} | json | status >= 429', '']],
        },
      ],
    },
  ],
}
