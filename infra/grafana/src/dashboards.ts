import { bench } from './boards/bench.ts'
import { cache } from './boards/cache.ts'
import { jobs } from './boards/jobs.ts'
import { loadBalancer } from './boards/load-balancer.ts'
import { node } from './boards/node.ts'
import { overview } from './boards/overview.ts'
import { postgres } from './boards/postgres.ts'
import { redis } from './boards/redis.ts'
import { systems } from './boards/systems.ts'
import { build, type Dashboard } from './panel.ts'

const DASHBOARDS: readonly Dashboard[] = [
  overview,
  cache,
  postgres,
  redis,
  jobs,
  node,
  loadBalancer,
  systems,
  bench,
]

/** File name and Grafana's JSON of each dashboard. */
export function dashboardTexts(): [name: string, text: string][] {
  return DASHBOARDS.map((of) => [`${of.uid}.json`, `${JSON.stringify(build(of), null, 2)}\n`])
}
