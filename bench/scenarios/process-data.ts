import { json, type Request } from '../src/load/request.ts'
import { answers, worksInBackground } from '../src/proofs/proofs.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { tuned, withSettings } from './variants.ts'

/** Rows, 144 KiB of them: from 128 KiB on the job's work goes to a worker thread. */
const request: Request = {
  method: 'POST',
  path: '/process-data',
  headers: json,
  body: JSON.stringify({
    rows: Array.from({ length: 2300 }, (_, i) => ({
      id: i,
      name: `Row number ${i}`,
      price: i * 1.25,
      tags: ['a', 'b'],
    })),
  }),
}
const common = {
  guide: 'API Performance › Background Tasks',
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'p99',
  // The same work on both sides: as many as are answered would be more where the answer comes first.
  pacedPerSecond: 20,
  connections: 1,
  requests: () => [request],
  counted: 10,
  everyCore: true,
} as const satisfies Partial<Scenario>

/** Its rows are thrown away with the copy: 144 KiB a job would fill the database of the other scenarios. */
const database = { name: 'process_data', change: 'SELECT 1' }

const variants = {
  tuned: tuned([answers(202), worksInBackground(true)], { database }),
  variants: [withSettings({ BACKGROUND_JOBS: 'off' }, 'background job', [answers(202)], { database })],
}

export const processData: Scenario = {
  ...common,
  name: 'process-data',
  title: 'A background job against inline work',
  about:
    'POST /process-data with 144 KiB of JSON, 20 a second: the work (digest of the canonical JSON) in a durable job after the reply, or in the request before it. What counts is the p99 of the reply itself. Both sides store the payload; the job reads it again.',
  open: { ratePerSecond: 20, leastMs: 5000 },
  ...variants,
}

export const processDataBeside: Scenario = {
  ...common,
  name: 'process-data-beside',
  title: 'A background job beside quick requests',
  about:
    'The same 20 POSTs a second, while /health is asked for 200 times a second. What counts is the p99 of /health: how long quick requests wait behind the work.',
  open: { requests: () => [{ path: '/health' }], ratePerSecond: 200, beside: true, leastMs: 3000 },
  ...variants,
}
