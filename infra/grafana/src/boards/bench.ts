import type { Dashboard } from '../panel.ts'

/** What `pnpm infra bench-metrics` has written; the host's exporter reads it. */
export const bench: Dashboard = {
  uid: 'bench',
  title: 'Benchmark runs',
  about:
    'The latest run that was handed over with pnpm infra bench-metrics: figures of one machine, ratios that carry further.',
  rows: [
    {
      title: 'Latest run',
      panels: [
        {
          title: 'Age',
          kind: 'stat',
          unit: 's',
          queries: [['time() - max(bench_finished_timestamp_seconds)', 'ago']],
        },
        {
          title: 'Where',
          kind: 'name',
          width: 12,
          queries: [['bench_run_info', '{{cpu}} · {{cores}} cores · Node {{node}}']],
        },
        {
          title: 'Scenarios',
          kind: 'stat',
          queries: [['count(count by (scenario) (bench_throughput))', 'run']],
        },
      ],
    },
    {
      title: 'What each tuning is worth: with it against without it',
      panels: [
        {
          title: 'Ratio',
          about: 'Above 1 it is better with the tuning; what is named is the variant without.',
          kind: 'bars',
          queries: [['bench_ratio{bound="estimate"}', '{{scenario}}: {{variant}} ({{metric}})']],
        },
        {
          title: 'Ratio and its interval of 95 %',
          about: 'The whole interval above 1 means that this run shows it.',
          kind: 'table',
          queries: [
            [`max by (scenario, variant, metric) (bench_ratio{bound="low"})`, 'from'],
            [`max by (scenario, variant, metric) (bench_ratio{bound="estimate"})`, 'ratio'],
            [`max by (scenario, variant, metric) (bench_ratio{bound="high"})`, 'to'],
          ],
        },
      ],
    },
    {
      title: 'Figures',
      panels: [
        {
          title: 'Throughput',
          unit: 'reqps',
          kind: 'bars',
          queries: [['bench_throughput', '{{scenario}}: {{variant}}']],
        },
        {
          title: 'CPU a request',
          unit: 's',
          kind: 'bars',
          queries: [['bench_cpu_seconds_per_request', '{{scenario}}: {{variant}}']],
        },
      ],
    },
  ],
}
