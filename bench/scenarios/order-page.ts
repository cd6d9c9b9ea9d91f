import { answers, encodedAs } from '../src/proofs/replies.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { LINKS } from './links.ts'
import { orderPages } from './requests.ts'
import { NOT_SHARED, tuned, withSettings } from './variants.ts'

export const orderPage: Scenario = {
  name: 'order-page',
  title: 'Page of orders',
  about:
    'GET /orders?limit=100, five pages that are requested again and again, with accept-encoding: gzip. Compression saves bytes, which cost nothing on a loopback; the stored reply saves rendering.',
  guide: 'API Performance › Response Compression',
  links: LINKS.storedReplies,
  service: 'reference-api',
  inDefaultRun: true,
  primary: 'throughput',
  connections: 16,
  requests: orderPages('gzip'),
  tuned: tuned([answers(200), encodedAs('gzip')], { environment: NOT_SHARED }),
  variants: [
    withSettings({ HTTP_FAST_PATH: 'off' }, 'the fast path', [answers(200), encodedAs('gzip')], {
      links: LINKS.hotRoutes,
      environment: NOT_SHARED,
      fullOnly: true,
    }),
    withSettings({ COMPRESSION: 'off' }, 'compression', [answers(200)], {
      links: LINKS.compression,
      environment: NOT_SHARED,
      fullOnly: true,
    }),
    withSettings({ CACHE_PAGE_TTL_MS: '0' }, 'stored replies', [answers(200), encodedAs('gzip')], {
      environment: NOT_SHARED,
    }),
    withSettings(
      { COMPRESSION: 'off', CACHE_PAGE_TTL_MS: '0' },
      'compression and stored replies',
      [answers(200)],
      {
        environment: NOT_SHARED,
        fullOnly: true,
      },
    ),
  ],
}
