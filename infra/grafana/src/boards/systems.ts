import type { Dashboard } from '../panel.ts'

export const systems: Dashboard = {
  uid: 'systems',
  title: 'Machine and other systems',
  about: 'The host, the containers, and the optional systems where they run.',
  rows: [
    {
      title: 'Host',
      panels: [
        {
          title: 'CPU busy',
          unit: 'percentunit',
          max: 1,
          queries: [
            ['1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))', '{{instance}}'],
          ],
        },
        {
          title: 'Memory available',
          unit: 'percentunit',
          max: 1,
          queries: [['node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes', '{{instance}}']],
        },
        {
          title: 'Disk left',
          unit: 'percentunit',
          max: 1,
          queries: [
            [
              'node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs"} / node_filesystem_size_bytes',
              '{{mountpoint}}',
            ],
          ],
        },
      ],
    },
    {
      title: 'Containers',
      panels: [
        {
          title: 'CPU, in cores',
          width: 12,
          queries: [['topk(15, sum by (name) (rate(container_cpu_usage_seconds_total[5m])))', '{{name}}']],
        },
        {
          title: 'Memory of the limit',
          unit: 'percentunit',
          max: 1,
          width: 12,
          queries: [
            [
              'max by (name) (container_memory_working_set_bytes / (container_spec_memory_limit_bytes > 0))',
              '{{name}}',
            ],
          ],
        },
      ],
    },
    {
      title: 'MySQL',
      panels: [
        {
          title: 'Queries',
          unit: 'ops',
          queries: [
            ['sum(rate(mysql_global_status_queries[$__rate_interval]))', 'queries'],
            ['sum(rate(mysql_global_status_slow_queries[$__rate_interval]))', 'slow'],
          ],
        },
        {
          title: 'Connections of max_connections',
          unit: 'percentunit',
          max: 1,
          queries: [
            [
              'max(mysql_global_status_threads_connected / mysql_global_variables_max_connections)',
              'connections',
            ],
          ],
        },
        {
          title: 'Reads found in the buffer pool',
          unit: 'percentunit',
          max: 1,
          queries: [
            [
              '1 - mysql_global_status_innodb_buffer_pool_reads / (mysql_global_status_innodb_buffer_pool_read_requests > 0)',
              'since start',
            ],
          ],
        },
      ],
    },
    {
      title: 'RabbitMQ',
      panels: [
        {
          title: 'Messages',
          queries: [
            ['sum(rabbitmq_queue_messages_ready)', 'ready'],
            ['sum(rabbitmq_queue_messages_unacked)', 'not acknowledged'],
          ],
        },
        {
          title: 'Published',
          unit: 'ops',
          queries: [['sum(rate(rabbitmq_global_messages_received_total[$__rate_interval]))', 'received']],
        },
        {
          title: 'Memory of its watermark',
          unit: 'percentunit',
          queries: [
            ['max(rabbitmq_process_resident_memory_bytes / rabbitmq_resident_memory_limit_bytes)', 'memory'],
          ],
        },
      ],
    },
    {
      title: 'MongoDB',
      panels: [
        {
          title: 'Operations',
          unit: 'ops',
          width: 12,
          queries: [
            ['sum by (legacy_op_type) (rate(mongodb_ss_opcounters[$__rate_interval]))', '{{legacy_op_type}}'],
          ],
        },
        {
          title: 'Connections',
          width: 12,
          queries: [['sum by (conn_type) (mongodb_ss_connections)', '{{conn_type}}']],
        },
      ],
    },
  ],
}
