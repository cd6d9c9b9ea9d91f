import { type Load, type Request, startLoad } from '@reference/bench/load'
import { effectOfBoots } from '@reference/bench/stats'
import t, { type Test } from 'tap'
import { send } from '../testing/load.ts'
import { report, theProduction } from './production.ts'

/**
 * Measures the cost of nginx: one generator sends the same requests over as many connections to the three replicas
 * directly, and through nginx. The two ways alternate, and so does their order.
 *
 * nginx, the generator, the APIs, PgBouncer and Postgres share this machine's cores, so CPU time of nginx and the generator
 * is missing to the APIs. On a machine of its own nginx would cost a network hop and no throughput.
 *
 * The requests go to nginx's own address in the network. The published port is reported as well: on 127.0.0.1 Docker's userland
 * proxy copies each byte once more, which is not a cost of nginx.
 */

const { production, origin, docker } = theProduction()
const ROUNDS = 6
const ROUND_MS = 5000
const CONNECTIONS = 24

const addressOf = async (id: string) =>
  docker([
    'inspect',
    '--format',
    `{{(index .NetworkSettings.Networks "${production.project}_edge").IPAddress}}`,
    id,
  ])

const replicas = await production.containers('reference-api')
const direct = await Promise.all(replicas.map(async ({ id }) => `http://${await addressOf(id)}:8000`))
const [front] = await production.containers('nginx')
const nginx = `http://${await addressOf(front?.id ?? '')}`

const ways: Record<string, readonly string[]> = { direct, nginx: [nginx], published: [origin] }

const load: Load = startLoad()
t.teardown(() => load.close())

/** Requests a second of all origins together. */
async function rateOf(
  origins: readonly string[],
  requests: readonly Request[],
  durationMs: number,
): Promise<number> {
  const runs = await Promise.all(
    origins.map((one, index) =>
      load.closed({
        origin: one,
        connections: CONNECTIONS / origins.length,
        durationMs,
        // No two replicas receive the same request at the same time: one would wait for the load of the other.
        requests: requests.filter((_, place) => place % origins.length === index),
      }),
    ),
  )
  for (const { errors } of runs) if (errors > 0) throw new Error(`${errors} requests failed`)
  return runs.reduce((sum, { rate }) => sum + rate, 0)
}

async function compare(t: Test, what: string, requests: readonly Request[]): Promise<number> {
  for (const origins of Object.values(ways)) await rateOf(origins, requests, 3000)
  const names = Object.keys(ways)
  const seen: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]))
  const before = await opened()
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed())
      seen[name]?.push(await rateOf(ways[name] ?? [], requests, ROUND_MS))
  }
  const connections = (await opened()) - before
  const ratioTo = (name: string) =>
    effectOfBoots((seen[name] ?? []).map((rate, round) => rate / (seen.direct?.[round] ?? Number.NaN)))
  const list = (name: string) => (seen[name] ?? []).map(Math.round).join(', ')
  report(`${what}: direct sum ${list('direct')} requests/s`)
  for (const name of ['nginx', 'published']) {
    const { ratio, low, high } = ratioTo(name)
    const percent = (share: number) => Math.round(share * 1000) / 10
    report(
      `${what}: ${name} ${list(name)} requests/s: ${percent(ratio)} % of direct (95 %: ${percent(low)} to ${percent(high)})`,
    )
  }
  const through = [...(seen.nginx ?? []), ...(seen.published ?? [])].reduce(
    (sum, rate) => sum + rate * (ROUND_MS / 1000),
    0,
  )
  const own = ROUNDS * CONNECTIONS
  report(
    `${what}: ${connections - own} connections of nginx to the replicas for about ${Math.round(through)} requests`,
  )
  t.ok(connections - own < through / 50, 'connections to the replicas are used again')
  return ratioTo('nginx').ratio
}

/** Connections that the kernels of the replicas have accepted. */
async function opened(): Promise<number> {
  const counts = await Promise.all(
    replicas.map(async (replica) => {
      const [names = '', values = ''] = (await production.exec(replica, ['cat', '/proc/net/snmp']))
        .split('\n')
        .filter((line) => line.startsWith('Tcp:'))
      return Number(values.split(' ')[names.split(' ').indexOf('PassiveOpens')])
    }),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

/** Full pages, more than can be requested within `CACHE_PAGE_TTL_MS`, so that each is read from Postgres. */
async function uncachedPages(): Promise<Request[]> {
  const cursors: string[] = []
  for (let after = ''; cursors.length < 150; ) {
    const { body } = await send(origin, { path: `/orders?limit=100${after && `&after=${after}`}` })
    after = (JSON.parse(body) as { next: string }).next
    cursors.push(after)
  }
  return Array.from({ length: 20 }, (_, less) => 100 - less).flatMap((limit) =>
    cursors.map((after) => ({
      path: `/orders?limit=${limit}&after=${after}`,
      headers: { 'accept-encoding': 'gzip' },
    })),
  )
}

t.test('the uncached order page through nginx has at least 80 % of the direct sum', async (t) => {
  const pages = await uncachedPages()
  const sample = await fetch(`${origin}${pages.at(-1)?.path}`)
  t.equal(sample.headers.get('x-cache'), 'miss')
  t.ok((await compare(t, 'uncached order page', pages)) >= 0.8)
})

t.test('the rate of a cached user through nginx is reported', async (t) => {
  const users = Array.from({ length: 999 }, (_, index) => ({ path: `/users/${1 + index}` }))
  await compare(t, 'cached user', users)
})
