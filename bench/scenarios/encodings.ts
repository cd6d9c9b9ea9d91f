import { encodedAs } from '../src/proofs/replies.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { orderPages } from './requests.ts'
import { NOT_SHARED } from './shared-reads.ts'
import { tuned } from './variants.ts'

const NOT_STORED = { ...NOT_SHARED, CACHE_PAGE_TTL_MS: '0' }
const ENCODINGS = ['gzip', 'br', 'zstd'] as const

export const encodings: Scenario = {
  name: 'encodings',
  title: 'Content encodings, stored and on the fly',
  about:
    'GET /orders?limit=100 with each content encoding, from the stored reply and rendered for each request. Compare the bytes a reply as well as the rates.',
  guide: 'API Performance › Response Compression',
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 16,
  requests: orderPages('identity'),
  tuned: tuned([encodedAs('identity')], { label: 'stored, not compressed' }),
  variants: [
    ...ENCODINGS.map((encoding) => ({
      name: `${encoding} stored`,
      label: `not ${encoding}, stored`,
      environment: {},
      requests: orderPages(encoding),
      proofs: [encodedAs(encoding)],
    })),
    ...ENCODINGS.map((encoding) => ({
      name: `${encoding} on the fly`,
      label: `not ${encoding} on the fly`,
      environment: NOT_STORED,
      requests: orderPages(encoding),
      proofs: [encodedAs(encoding)],
    })),
  ],
}
