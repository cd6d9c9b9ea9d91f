import type { Dashboard } from '../panel.ts'

export const cache: Dashboard = {
  uid: 'cache',
  title: 'Cache',
  about: 'Both tiers, by service and namespace; what stays coherent, and what that costs.',
  rows: [
    {
      title: 'Hits',
      panels: [
        {
          title: 'Share of reads by tier',
          unit: 'percentunit',
          max: 1,
          queries: [
            [
              'service_tier:cache_hits:rate1m / on (service) group_left () (service:cache_reads:rate1m > 0)',
              '{{service}} {{tier}}',
            ],
          ],
        },
        {
          title: 'Hit rate by namespace',
          unit: 'percentunit',
          max: 1,
          queries: [
            [
              'sum by (namespace) (rate(cache_hits_total[$__rate_interval])) / (sum by (namespace) (rate(cache_hits_total[$__rate_interval])) + sum by (namespace) (rate(cache_misses_total[$__rate_interval])) > 0)',
              '{{namespace}}',
            ],
          ],
        },
        {
          title: 'Loads',
          unit: 'ops',
          queries: [
            ['sum by (namespace) (rate(cache_loads_total[$__rate_interval]))', '{{namespace}}'],
            [
              'sum by (namespace) (rate(cache_load_failures_total[$__rate_interval]))',
              '{{namespace}} failed',
            ],
          ],
        },
      ],
    },
    {
      title: 'Loading',
      panels: [
        {
          title: 'Duration of a load, p95',
          unit: 's',
          queries: [
            [
              'histogram_quantile(0.95, sum by (namespace, le) (rate(cache_load_seconds_bucket[$__rate_interval])))',
              '{{namespace}}',
            ],
          ],
        },
        {
          title: 'Waiting for another process’s load',
          unit: 'ops',
          queries: [
            ['sum by (namespace) (rate(cache_lease_waits_total[$__rate_interval]))', '{{namespace}}'],
          ],
        },
        {
          title: 'Answered from expired values',
          about: 'Within their grace, since the loader failed or took too long.',
          unit: 'ops',
          queries: [
            ['sum by (namespace) (rate(cache_stale_served_total[$__rate_interval]))', '{{namespace}}'],
          ],
        },
      ],
    },
    {
      title: 'Coherence',
      panels: [
        {
          title: 'Invalidations that wait',
          about:
            'The outbox. Some always wait while there are writes; old ones mean that Redis cannot be reached.',
          queries: [
            ['max(cache_outbox_depth)', 'waiting'],
            ['max(cache_outbox_oldest_seconds)', 'age of the oldest, s'],
          ],
        },
        {
          title: 'Invalidations, refused fills',
          unit: 'ops',
          queries: [
            [
              'sum by (service) (rate(cache_invalidations_total[$__rate_interval]))',
              '{{service}} invalidated',
            ],
            ['sum by (service) (rate(cache_refused_fills_total[$__rate_interval]))', '{{service}} refused'],
          ],
        },
        {
          title: 'Tier 1 not trusted',
          about: 'Reads past tier 1 since the link to Redis was not proved to be alive.',
          unit: 'ops',
          queries: [
            ['sum by (service) (rate(cache_bypassed_total[$__rate_interval]))', '{{service}}'],
            [
              'sum by (service) (rate(cache_tracking_lost_total[$__rate_interval]))',
              '{{service}} links lost',
            ],
          ],
        },
      ],
    },
    {
      title: 'State',
      panels: [
        {
          title: 'Tier 2 usable, by Redis',
          max: 1,
          queries: [['min by (service, node) (cache_tier2_usable)', '{{service}} {{node}}']],
        },
        {
          title: 'Refuses writes, by Redis and reason',
          max: 1,
          queries: [['max by (node, reason) (cache_redis_refuses)', '{{node}} {{reason}}']],
        },
        {
          title: 'Breaker',
          about: '0 closed, 1 open, 2 half-open',
          queries: [['max by (service, node) (cache_breaker_state)', '{{service}} {{node}}']],
        },
        {
          title: 'Tier 1',
          unit: 'bytes',
          queries: [['sum by (service, namespace) (cache_bytes)', '{{service}} {{namespace}}']],
        },
      ],
    },
  ],
}
