import { answeredFrom, answers, encodedAs } from '../src/proofs/replies.ts'
import { throughNginx } from '../src/proofs/sidecars.ts'
import type { Scenario, Variant } from '../src/run/scenario.ts'
import { NGINX_KEEP_ALIVE, NGINX_WITHOUT_KEEP_ALIVE } from '../src/stack/nginx.ts'
import { LINKS } from './links.ts'
import { hotUsers, orderPages } from './requests.ts'
import { NOT_SHARED, tuned } from './variants.ts'

const COMMON = {
  guide: 'Production Considerations › Scaling Strategies',
  links: LINKS.nginx,
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
} as const satisfies Partial<Scenario>

function routes(proofs: Variant['proofs'], environment: Variant['environment'] = {}) {
  return {
    tuned: tuned([...proofs, throughNginx('kept alive')], {
      label: 'through nginx',
      environment,
      front: NGINX_KEEP_ALIVE,
    }),
    variants: [
      {
        name: 'HTTP/1.0 to the service',
        label: 'upstream keep-alive of nginx',
        links: LINKS.nginxKeepAlive,
        environment,
        front: NGINX_WITHOUT_KEEP_ALIVE,
        proofs: [...proofs, throughNginx('one each')],
      },
      {
        name: 'direct',
        label: 'nginx in front of the service',
        environment,
        proofs: [...proofs, throughNginx('direct')],
      },
    ],
  }
}

export const nginx: Scenario = {
  ...COMMON,
  name: 'nginx',
  title: 'nginx in front of a quick reply',
  about:
    'GET /users/:id from tier 1: through nginx as shipped in infra, through nginx with HTTP/1.0 and a new connection for each request, and without nginx. The scenario shows the cost for one process, on the generator’s core; the purpose of nginx is to distribute requests over many processes.',
  connections: 32,
  requests: hotUsers,
  ...routes([answeredFrom('l1')]),
}

export const nginxOrderPage: Scenario = {
  ...COMMON,
  name: 'nginx-order-page',
  title: 'nginx in front of a large reply',
  about:
    'GET /orders?limit=100 rendered for each request and compressed by the service: through nginx with and without upstream keep-alive, and without nginx.',
  connections: 16,
  requests: orderPages('gzip'),
  ...routes([answers(200), encodedAs('gzip')], { ...NOT_SHARED, CACHE_PAGE_TTL_MS: '0' }),
}
