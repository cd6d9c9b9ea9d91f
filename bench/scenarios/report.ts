import { answers } from '../src/proofs/proofs.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { proofOf } from '../src/run/switches.ts'
import { tuned, withSettings } from './variants.ts'

export const report: Scenario = {
  name: 'report',
  title: 'A report beside quick requests',
  about:
    'GET /report is computed again and again by one caller, while /health is asked for 200 times a second. What counts is the p99 of /health: how long quick requests wait behind the computation.',
  guide: 'API Performance › Background Tasks',
  service: 'parallel-api',
  inDefaultRun: true,
  primary: 'p99',
  connections: 1,
  requests: () => [{ path: '/report' }],
  open: { requests: () => [{ path: '/health' }], ratePerSecond: 200, beside: true },
  everyCore: true,
  counted: 3,
  tuned: tuned([answers(200), proofOf('WORKER_THREADS', 'some')]),
  variants: [withSettings({ WORKER_THREADS: '0' }, 'worker threads', [answers(200)])],
}
