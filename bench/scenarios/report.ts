import { answers } from '../src/proofs/replies.ts'
import { proofOfSwitch } from '../src/proofs/switch.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { LINKS } from './links.ts'
import { tuned, withSettings } from './variants.ts'

export const report: Scenario = {
  name: 'report',
  title: 'A report beside quick requests',
  about:
    'One caller requests /report again and again, with 200 requests a second to /health. The metric is the p99 of /health: how long quick requests wait for the computation.',
  guide: 'API Performance › Background Tasks',
  links: LINKS.workerThreads,
  service: 'parallel-api',
  inDefaultRun: false,
  primary: 'p99',
  connections: 1,
  requests: () => [{ path: '/report' }],
  open: { requests: () => [{ path: '/health' }], ratePerSecond: 200, beside: true },
  everyCore: true,
  counted: 3,
  tuned: tuned([answers(200), proofOfSwitch('WORKER_THREADS', 'some')]),
  variants: [withSettings({ WORKER_THREADS: '0' }, 'worker threads', [answers(200)])],
}
