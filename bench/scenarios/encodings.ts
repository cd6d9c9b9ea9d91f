import { encodedAs } from '../src/proofs/proofs.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { orderPages } from './paths.ts'
import { tuned } from './variants.ts'

const onTheFly = { CACHE_PAGE_TTL_MS: '0' }
const names = ['gzip', 'br', 'zstd'] as const

export const encodings: Scenario = {
  name: 'encodings',
  title: 'Content encodings, stored and on the fly',
  about:
    'GET /orders?limit=100 with each content encoding, from the stored reply and made anew for each request. Compare the bytes a reply beside the rates.',
  guide: 'API Performance › Response Compression',
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
  connections: 16,
  requests: orderPages('identity'),
  tuned: tuned([encodedAs('identity')], { label: 'stored, not compressed' }),
  variants: [
    ...names.map((encoding) => ({
      name: `${encoding} stored`,
      label: `not ${encoding}, stored`,
      environment: {},
      requests: orderPages(encoding),
      proofs: [encodedAs(encoding)],
    })),
    ...names.map((encoding) => ({
      name: `${encoding} on the fly`,
      label: `not ${encoding} on the fly`,
      environment: onTheFly,
      requests: orderPages(encoding),
      proofs: [encodedAs(encoding)],
    })),
  ],
}
