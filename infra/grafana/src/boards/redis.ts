import type { Dashboard } from '../panel.ts'

export const redis: Dashboard = {
  uid: 'redis',
  title: 'Redis Cluster',
  about: 'Each node: load, memory, hits, and whether all slots have an owner.',
  rows: [
    {
      title: 'Cluster',
      panels: [
        { title: 'Nodes that answer', kind: 'stat', queries: [['sum(redis_up)', 'up']] },
        {
          title: 'Slots served',
          about: 'All of 16,384',
          kind: 'stat',
          queries: [['min(redis_cluster_slots_ok)', 'slots']],
        },
        { title: 'Slots failed', kind: 'stat', queries: [['max(redis_cluster_slots_fail)', 'slots']] },
        {
          title: 'Nodes known',
          kind: 'stat',
          queries: [['min(redis_cluster_known_nodes)', 'nodes']],
        },
        { title: 'Masters', kind: 'stat', queries: [['min(redis_cluster_size)', 'masters']] },
        {
          title: 'Keys',
          kind: 'stat',
          queries: [['sum(redis_db_keys)', 'keys']],
        },
      ],
    },
    {
      title: 'Load',
      panels: [
        {
          title: 'Commands',
          unit: 'ops',
          queries: [['sum by (node) (rate(redis_commands_processed_total[$__rate_interval]))', '{{node}}']],
        },
        {
          title: 'Time by command',
          about: '1 is the one thread, always busy with it.',
          unit: 'suffix: s/s',
          stacked: true,
          queries: [
            [
              'topk(10, sum by (cmd) (rate(redis_commands_duration_seconds_total[$__rate_interval])))',
              '{{cmd}}',
            ],
          ],
        },
        {
          title: 'Hits of look-ups',
          unit: 'percentunit',
          max: 1,
          queries: [
            [
              'sum by (node) (rate(redis_keyspace_hits_total[$__rate_interval])) / (sum by (node) (rate(redis_keyspace_hits_total[$__rate_interval])) + sum by (node) (rate(redis_keyspace_misses_total[$__rate_interval])) > 0)',
              '{{node}}',
            ],
          ],
        },
      ],
    },
    {
      title: 'Memory',
      panels: [
        {
          title: 'Used of maxmemory',
          unit: 'percentunit',
          max: 1,
          queries: [['max by (node) (redis_memory_used_bytes / (redis_memory_max_bytes > 0))', '{{node}}']],
        },
        {
          title: 'Evicted, expired',
          unit: 'ops',
          queries: [
            ['sum by (node) (rate(redis_evicted_keys_total[$__rate_interval]))', '{{node}} evicted'],
            ['sum by (node) (rate(redis_expired_keys_total[$__rate_interval]))', '{{node}} expired'],
          ],
        },
        {
          title: 'Fragmentation',
          about: 'Resident by used memory; far above 1.5 for a large node.',
          queries: [['max by (node) (redis_mem_fragmentation_ratio)', '{{node}}']],
        },
      ],
    },
    {
      title: 'Clients',
      panels: [
        { title: 'Connected', queries: [['max by (node) (redis_connected_clients)', '{{node}}']] },
        {
          title: 'Tracking clients',
          about: 'One of each process and master: the links that keep tier 1 coherent.',
          queries: [['max by (node) (redis_tracking_clients)', '{{node}}']],
        },
        {
          title: 'Traffic',
          unit: 'Bps',
          queries: [
            ['sum by (node) (rate(redis_net_input_bytes_total[$__rate_interval]))', '{{node}} in'],
            ['sum by (node) (rate(redis_net_output_bytes_total[$__rate_interval]))', '{{node}} out'],
          ],
        },
      ],
    },
  ],
}
