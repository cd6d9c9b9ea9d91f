import { answeredFrom, answers, encodedAs, throughNginx } from '../src/proofs/proofs.ts'
import type { Scenario, Variant } from '../src/run/scenario.ts'
import { nginxKeptAlive, nginxWithoutKeepAlive } from '../src/stack/nginx.ts'
import { hotUsers, orderPages } from './paths.ts'
import { tuned } from './variants.ts'

const common = {
  guide: 'Production Considerations › Scaling Strategies',
  service: 'reference-api',
  inDefaultRun: false,
  primary: 'throughput',
} as const satisfies Partial<Scenario>

function ways(proofs: Variant['proofs'], environment: Variant['environment'] = {}) {
  return {
    tuned: tuned([...proofs, throughNginx('kept alive')], {
      label: 'through nginx',
      environment,
      front: nginxKeptAlive,
    }),
    variants: [
      {
        name: 'HTTP/1.0 to the service',
        label: 'upstream keep-alive of nginx',
        environment,
        front: nginxWithoutKeepAlive,
        proofs: [...proofs, throughNginx('one each')],
      },
      {
        name: 'direct',
        label: 'nginx on the way',
        environment,
        proofs: [...proofs, throughNginx('direct')],
      },
    ],
  }
}

export const nginx: Scenario = {
  ...common,
  name: 'nginx',
  title: 'nginx before a quick reply',
  about:
    'GET /users/:id from tier 1: through nginx as infra ships it, through the same with HTTP/1.0 and a new connection for each request, and without nginx. Here it shares a core with the generator and stands before one process; what it is for is to spread requests over many.',
  connections: 32,
  requests: hotUsers,
  ...ways([answeredFrom('l1')]),
}

export const nginxOrderPage: Scenario = {
  ...common,
  name: 'nginx-order-page',
  title: 'nginx before a large reply',
  about:
    'GET /orders?limit=100 made anew each time and compressed by the service: through nginx with and without upstream keep-alive, and without nginx.',
  connections: 16,
  requests: orderPages('gzip'),
  ...ways([answers(200), encodedAs('gzip')], { CACHE_PAGE_TTL_MS: '0' }),
}
