import { encodedAs } from '../src/proofs/replies.ts'
import type { Scenario, Variant } from '../src/run/scenario.ts'
import { LINKS } from './links.ts'
import { orderPages } from './requests.ts'
import { NOT_SHARED, tuned, withSettings } from './variants.ts'

type Encoding = 'gzip' | 'br' | 'zstd'

/** A variant that reads, renders and encodes a page for each request. */
function onTheFly(encoding: Encoding | 'identity', name: string, label: string): Variant {
  return withSettings({ CACHE_PAGE_TTL_MS: '0' }, label, [encodedAs(encoding)], {
    name,
    links: LINKS.compression,
    environment: NOT_SHARED,
    requests: orderPages(encoding),
  })
}

/** Replies stored with this content encoding against the same replies, rendered and compressed for each request. */
function storedAgainstOnTheFly(encoding: Encoding, name: string, more: readonly Variant[] = []): Scenario {
  return {
    name,
    title: `Stored replies against ${encoding} on the fly`,
    about: `GET /orders?limit=100 in ${encoding}. Rendering and compressing a reply for each request is where Node is slow. A stored reply is the answer: it is rendered and compressed once, and sent to all requests until it expires (CACHE_PAGE_TTL_MS). The bytes of a reply show what the encoding saves.`,
    guide: 'API Performance › Response Compression',
    links: LINKS.storedReplies,
    service: 'reference-api',
    inDefaultRun: false,
    primary: 'throughput',
    connections: 16,
    requests: orderPages(encoding),
    tuned: tuned([encodedAs(encoding)], { label: `stored as ${encoding}`, environment: NOT_SHARED }),
    variants: [
      onTheFly(encoding, `${encoding} on the fly`, `stored replies against ${encoding} on the fly`),
      ...more,
    ],
  }
}

export const encodings: Scenario = storedAgainstOnTheFly('gzip', 'encodings', [
  onTheFly('identity', 'uncompressed on the fly', 'stored gzip against rendering alone'),
  {
    name: 'uncompressed, stored',
    label: 'gzip where both are stored',
    environment: NOT_SHARED,
    requests: orderPages('identity'),
    proofs: [encodedAs('identity')],
  },
])

export const encodingsBr: Scenario = storedAgainstOnTheFly('br', 'encodings-br')

export const encodingsZstd: Scenario = storedAgainstOnTheFly('zstd', 'encodings-zstd')
