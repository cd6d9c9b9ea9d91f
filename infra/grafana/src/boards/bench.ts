import type { Dashboard } from '../panel.ts'

/** What `pnpm bench:metrics` has written; the host's exporter reads it. */
export const bench: Dashboard = {
  uid: 'bench',
  title: 'Benchmark runs',
  about:
    'The latest run that was handed over with pnpm bench:metrics: figures of one machine, ratios that carry further.',
  rows: [
    {
      title: 'Latest run',
      panels: [
        {
          title: 'Age',
          stat: true,
          unit: 's',
          queries: [['time() - max(bench_finished_timestamp_seconds)', 'ago']],
        },
        {
          title: 'Where',
          stat: true,
          width: 12,
          queries: [['bench_run_info', '{{cpu}} · {{cores}} cores · Node {{node}}']],
        },
        {
          title: 'Scenarios',
          stat: true,
          queries: [['count(count by (scenario) (bench_throughput))', 'run']],
        },
      ],
    },
    {
      title: 'What each tuning is worth: with it against without it',
      panels: [
        {
          title: 'Ratio',
          about: 'Above 1 it is better; the whole interval above 1 means that this run shows it.',
          width: 12,
          queries: [['bench_ratio{bound="estimate"}', '{{scenario}} {{variant}} {{metric}}']],
        },
        {
          title: 'Interval of 95 %',
          width: 12,
          queries: [['bench_ratio{bound!="estimate"}', '{{scenario}} {{variant}} {{metric}} {{bound}}']],
        },
      ],
    },
    {
      title: 'Figures',
      panels: [
        {
          title: 'Throughput',
          unit: 'reqps',
          width: 12,
          queries: [['bench_throughput', '{{scenario}} {{variant}}']],
        },
        {
          title: 'CPU a request',
          unit: 's',
          width: 12,
          queries: [['bench_cpu_seconds_per_request', '{{scenario}} {{variant}}']],
        },
      ],
    },
  ],
}
