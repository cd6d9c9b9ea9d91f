import type { Request } from '../src/load/request.ts'
import { logsRequests } from '../src/proofs/process.ts'
import { answers, exposesMetrics } from '../src/proofs/replies.ts'
import type { Scenario } from '../src/run/scenario.ts'
import { naiveEnvironment } from '../src/run/switches.ts'
import { type Dataset, scatteredIds } from '../src/stack/dataset.ts'
import { LINKS } from './links.ts'
import { tuned } from './variants.ts'

/** Of 20 requests: 12 users, 4 pages of orders, 3 products, 1 order. */
function mix({ users, products, orders }: Dataset): Request[] {
  const headers = { 'accept-encoding': 'gzip' }
  const hot = {
    users: scatteredIds(users, 1000),
    products: scatteredIds(products, 200),
    orders: scatteredIds(orders, 1000),
  }
  const statuses = ['', '&status=pending', '&status=paid', '&status=shipped', '&status=cancelled']
  return Array.from({ length: 2000 }, (_, i) => {
    const [turn, kind] = [Math.floor(i / 20), (i * 7) % 20]
    const path =
      kind < 12
        ? `/users/${hot.users[(turn * 12 + kind) % hot.users.length]}`
        : kind < 16
          ? `/orders?limit=100${statuses[(turn * 4 + kind) % statuses.length]}`
          : kind < 19
            ? `/products/${hot.products[(turn * 3 + kind) % hot.products.length]}`
            : `/orders/${hot.orders[turn % hot.orders.length]}`
    return { path, headers }
  })
}

export const naive: Scenario = {
  name: 'naive',
  title: 'The naive app against the tuned one',
  about:
    'A mix of reads (12 users, 4 pages of 100 orders, 3 products, 1 order of every 20 requests) with every switch as shipped, and with every switch at its value in an untuned app.',
  guide: 'Summary › Quick Wins',
  links: LINKS.switches,
  service: 'reference-api',
  inDefaultRun: true,
  primary: 'throughput',
  connections: 32,
  requests: mix,
  counted: 100,
  tuned: tuned([
    answers(200),
    ({ cache }) => `x-cache: ${Object.keys(cache).sort().join(', ')}`,
    exposesMetrics(true),
    logsRequests(false),
  ]),
  variants: [
    {
      name: 'naive',
      label: 'every tuning',
      environment: naiveEnvironment('reference-api'),
      proofs: [answers(200), exposesMetrics(false), logsRequests(true)],
    },
  ],
}
