import { JSON_HEADERS, type Request } from '../src/load/request.ts'
import { worksInBackground } from '../src/proofs/process.ts'
import { answers } from '../src/proofs/replies.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { LINKS } from './links.ts'
import { tuned, withSettings } from './variants.ts'

/** 144 KiB of rows: from 128 KiB on the job runs on a worker thread. */
const REQUEST: Request = {
  method: 'POST',
  path: '/process-data',
  headers: JSON_HEADERS,
  body: JSON.stringify({
    rows: Array.from({ length: 2300 }, (_, i) => ({
      id: i,
      name: `Row number ${i}`,
      price: i * 1.25,
      tags: ['a', 'b'],
    })),
  }),
}

/**
 * A copy for each variant: jobs of 144 KiB each would fill the database of the other scenarios, and a service takes the jobs of
 * every other one on the same database.
 */
const copy = (name: string) => ({ database: { name, change: 'SELECT 1' } })

const common = {
  guide: 'API Performance › Background Tasks',
  links: LINKS.backgroundJobs,
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'p99',
  // The same work on both sides; a closed loop would send more to the side that replies earlier.
  pacedPerSecond: 20,
  connections: 1,
  requests: () => [REQUEST],
  counted: 10,
  everyCore: true,
  tuned: tuned([answers(202), worksInBackground(true)], copy('process_data')),
  variants: [
    withSettings({ BACKGROUND_JOBS: 'off' }, 'background job', [answers(202)], copy('process_data_inline')),
  ],
} as const satisfies Partial<Scenario>

export const processData: Scenario = {
  ...common,
  name: 'process-data',
  title: 'A background job against inline work',
  about:
    'POST /process-data with 144 KiB of JSON, 20 a second: the work (digest of the canonical JSON) in a durable job after the reply, or in the request before it. The metric is the p99 of the reply. Both sides store the payload; the job reads it again.',
  open: { ratePerSecond: 20, leastMs: 5000 },
}

export const processDataBeside: Scenario = {
  ...common,
  name: 'process-data-beside',
  title: 'A background job beside quick requests',
  about:
    'The same 20 POSTs a second, with 200 requests a second to /health. The metric is the p99 of /health: how long quick requests wait for the work.',
  open: { requests: () => [{ path: '/health' }], ratePerSecond: 200, beside: true, leastMs: 3000 },
}
