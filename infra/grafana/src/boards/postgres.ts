import type { Dashboard } from '../panel.ts'

export const postgres: Dashboard = {
  uid: 'postgres',
  title: 'Postgres and pools',
  about: 'From the statement in the service, through its pool and PgBouncer, to the server.',
  rows: [
    {
      title: 'Statements',
      panels: [
        {
          title: 'Time by statement',
          about: 'Where the time goes: 1 is one connection that is always busy with it.',
          unit: 'suffix: s/s',
          stacked: true,
          queries: [
            [
              'topk(10, sum by (statement) (rate(db_query_duration_seconds_sum[$__rate_interval])))',
              '{{statement}}',
            ],
          ],
        },
        {
          title: 'Mean by statement',
          unit: 's',
          queries: [
            ['topk(10, service_statement:db_query_duration_seconds:rate5m)', '{{service}} {{statement}}'],
          ],
        },
        {
          title: 'Statements',
          unit: 'ops',
          queries: [
            [
              'topk(10, sum by (statement) (rate(db_query_duration_seconds_count[$__rate_interval])))',
              '{{statement}}',
            ],
          ],
        },
      ],
    },
    {
      title: 'Pools of the services',
      panels: [
        {
          title: 'In use',
          unit: 'percentunit',
          max: 1,
          queries: [['service_pool:db_pool_saturation:ratio', '{{service}} {{pool}}']],
        },
        {
          title: 'Waiting, refused',
          queries: [
            ['sum by (service, pool) (db_pool_waiting)', '{{service}} {{pool}}'],
            [
              'sum by (service, reason) (rate(db_pool_refused_total[$__rate_interval]))',
              '{{service}} {{reason}} /s',
            ],
          ],
        },
        {
          title: 'Connections',
          queries: [['sum by (service, pool) (db_pool_connections)', '{{service}} {{pool}}']],
        },
      ],
    },
    {
      title: 'PgBouncer',
      panels: [
        {
          title: 'Clients',
          queries: [
            ['sum by (database) (pgbouncer_pools_client_active_connections)', '{{database}} active'],
            ['sum by (database) (pgbouncer_pools_client_waiting_connections)', '{{database}} waiting'],
          ],
        },
        {
          title: 'Servers',
          queries: [
            ['sum by (database) (pgbouncer_pools_server_active_connections)', '{{database}} active'],
            ['sum by (database) (pgbouncer_pools_server_idle_connections)', '{{database}} idle'],
          ],
        },
        {
          title: 'Longest wait',
          unit: 's',
          queries: [['max by (database) (pgbouncer_pools_client_maxwait_seconds)', '{{database}}']],
        },
      ],
    },
    {
      title: 'Server',
      panels: [
        {
          title: 'Connections of max_connections',
          unit: 'percentunit',
          max: 1,
          queries: [
            [
              'sum by (node) (pg_stat_activity_count{backend_type="client backend"}) / on (node) max by (node) (pg_settings_max_connections)',
              '{{node}}',
            ],
          ],
        },
        {
          title: 'Transactions',
          unit: 'ops',
          queries: [
            [
              'sum by (node) (rate(pg_stat_database_xact_commit{datname="reference"}[$__rate_interval]))',
              '{{node}} commits',
            ],
            [
              'sum by (node) (rate(pg_stat_database_xact_rollback{datname="reference"}[$__rate_interval]))',
              '{{node}} rollbacks',
            ],
          ],
        },
        {
          title: 'Reads found in shared_buffers',
          unit: 'percentunit',
          max: 1,
          queries: [
            [
              'sum by (node) (rate(pg_stat_database_blks_hit{datname="reference"}[$__rate_interval])) / (sum by (node) (rate(pg_stat_database_blks_hit{datname="reference"}[$__rate_interval])) + sum by (node) (rate(pg_stat_database_blks_read{datname="reference"}[$__rate_interval])) > 0)',
              '{{node}}',
            ],
          ],
        },
        {
          title: 'Replica behind',
          unit: 's',
          queries: [['max by (node) (pg_replication_lag_seconds)', '{{node}}']],
        },
        {
          title: 'WAL held back by slots',
          unit: 'bytes',
          queries: [['max by (slot_name) (pg_replication_slots_pg_wal_lsn_diff)', '{{slot_name}}']],
        },
        {
          title: 'Checkpoints',
          about: 'Requested ones mean that max_wal_size is too small for the writes.',
          unit: 'ops',
          queries: [
            [
              'sum by (node) (rate(pg_stat_checkpointer_num_timed_total[$__rate_interval]))',
              '{{node}} timed',
            ],
            [
              'sum by (node) (rate(pg_stat_checkpointer_num_requested_total[$__rate_interval]))',
              '{{node}} requested',
            ],
          ],
        },
        {
          title: 'Server time by statement',
          about: 'pg_stat_statements, by its id.',
          unit: 'suffix: s/s',
          stacked: true,
          queries: [
            [
              'topk(10, sum by (queryid) (rate(pg_stat_statements_seconds_total{datname="reference"}[$__rate_interval])))',
              '{{queryid}}',
            ],
          ],
        },
        {
          title: 'Size',
          unit: 'bytes',
          queries: [['max by (node) (pg_database_size_bytes{datname="reference"})', '{{node}}']],
        },
        {
          title: 'Locks',
          queries: [['sum by (mode) (pg_locks_count{datname="reference"})', '{{mode}}']],
        },
      ],
    },
  ],
}
