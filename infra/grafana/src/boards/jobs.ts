import type { Dashboard } from '../panel.ts'

export const jobs: Dashboard = {
  uid: 'jobs',
  title: 'Jobs',
  about: 'The queue in Postgres, its handlers, and the threads that compute.',
  rows: [
    {
      title: 'Queue',
      panels: [
        {
          title: 'Depth',
          about: 'As of the last count, every 10 s.',
          queries: [['max by (queue, state) (jobs_queue_depth{state!="failed"})', '{{queue}} {{state}}']],
        },
        {
          title: 'Oldest that could run',
          unit: 's',
          queries: [['max by (queue) (jobs_oldest_ready_seconds)', '{{queue}}']],
        },
        {
          title: 'Failed for good',
          queries: [
            ['max(jobs_dead_letters)', 'dead letters'],
            ['max by (queue) (jobs_queue_depth{state="failed"})', '{{queue}} failed, kept'],
          ],
        },
      ],
    },
    {
      title: 'Handlers',
      panels: [
        {
          title: 'Attempts',
          unit: 'ops',
          queries: [
            [
              'sum by (queue, outcome) (rate(jobs_duration_seconds_count[$__rate_interval]))',
              '{{queue}} {{outcome}}',
            ],
          ],
        },
        {
          title: 'Duration of an attempt, p95',
          unit: 's',
          queries: [
            [
              'histogram_quantile(0.95, sum by (queue, le) (rate(jobs_duration_seconds_bucket[$__rate_interval])))',
              '{{queue}}',
            ],
          ],
        },
        {
          title: 'Failed attempts',
          unit: 'percentunit',
          queries: [
            [
              'sum by (queue) (rate(jobs_duration_seconds_count{outcome="failed"}[$__rate_interval])) / (sum by (queue) (rate(jobs_duration_seconds_count[$__rate_interval])) > 0)',
              '{{queue}}',
            ],
          ],
        },
      ],
    },
    {
      title: 'Worker threads',
      panels: [
        {
          title: 'Tasks',
          queries: [['sum by (service, state) (worker_pool_tasks)', '{{service}} {{state}}']],
        },
        {
          title: 'Duration of a task, p95',
          unit: 's',
          queries: [
            [
              'histogram_quantile(0.95, sum by (service, le) (rate(worker_pool_task_duration_seconds_bucket[$__rate_interval])))',
              '{{service}}',
            ],
          ],
        },
        {
          title: 'Refused, failed',
          unit: 'ops',
          queries: [
            ['sum by (service) (rate(worker_pool_rejected_total[$__rate_interval]))', '{{service}} refused'],
            [
              'sum by (service, outcome) (rate(worker_pool_task_duration_seconds_count{outcome!="ok"}[$__rate_interval]))',
              '{{service}} {{outcome}}',
            ],
          ],
        },
      ],
    },
  ],
}
