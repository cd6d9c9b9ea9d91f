import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { delay } from '@reference/async'
import { createRandom } from '@reference/async/testing'
import { createDatabase } from '@reference/database'
import { startService, testDatabase } from '@reference/local-stack'
import { POOLS } from '@reference/shop'
import t from 'tap'

// A writer changes rows while callers read them, some of which leave early. What was acknowledged before a call must be in its
// answer, although calls share their reads. The answers of Postgres are late, so that joining a read in flight would be noticed.

const SEED = 20_261_129
const CALLERS = 16
const WRITES = 60
const LATE_MS = 4

type Body = Readonly<Record<string, readonly Row[]>>

interface Row {
  readonly id: number
  readonly name: string
  readonly priceCents: number
  readonly totalCents: number
  readonly user: { readonly name: string }
}

interface Route {
  readonly service: 'reference' | 'parallel'
  readonly path: string
  readonly writes: readonly ('user' | 'order' | 'product' | 'cachedUser')[]
  /** The oldest of the versions in an answer. */
  version(body: Body): number
  /** The statement of a read, in the metrics of this service. */
  readonly statement: string
  readonly countedBy: 'reference' | 'parallel'
}

const inAll = ({ users = [], orders = [], products = [] }: Body) =>
  Math.min(Number(users[0]?.name), orders[0]?.totalCents ?? 0, products[0]?.priceCents ?? 0)

const ROUTES: readonly Route[] = [
  {
    service: 'reference',
    path: '/users?limit=20',
    writes: ['user'],
    version: ({ items = [] }) => Number(items[0]?.name),
    statement: 'users_page',
    countedBy: 'reference',
  },
  {
    service: 'reference',
    path: '/products?limit=20',
    writes: ['product'],
    version: ({ items = [] }) => items[0]?.priceCents ?? 0,
    statement: 'products_page',
    countedBy: 'reference',
  },
  {
    service: 'reference',
    path: '/orders?limit=20',
    writes: ['order'],
    version: ({ items = [] }) => items[0]?.totalCents ?? 0,
    statement: 'orders_page',
    countedBy: 'reference',
  },
  {
    service: 'parallel',
    path: '/all?limit=20',
    writes: ['user', 'order', 'product'],
    version: inAll,
    statement: 'orders_page',
    countedBy: 'parallel',
  },
  {
    service: 'parallel',
    path: '/all?limit=20&partial=true',
    writes: ['product', 'order', 'user'],
    version: inAll,
    statement: 'orders_page',
    countedBy: 'parallel',
  },
  {
    service: 'parallel',
    path: '/aggregate?limit=1',
    writes: ['cachedUser', 'order'],
    version: ({ items = [] }) => Math.min(items[0]?.totalCents ?? 0, Number(items[0]?.user.name)),
    statement: 'orders_page',
    countedBy: 'reference',
  },
]

t.test('what was written before a call is in its answer', async (t) => {
  const { url } = await testDatabase(t)
  // Stored pages are old by design, and would be in the answers of /aggregate too.
  const late = { DATABASE_URL: await lateLinkTo(t, url), CACHE_PAGE_TTL_MS: '0' }
  const reference = startService(t, 'reference-api', late)
  const origin = await reference.listening()
  const parallel = startService(t, 'parallel-api', { ...late, UPSTREAM_URL: origin })
  const origins = { reference: origin, parallel: await parallel.listening() }
  const database = createDatabase({ url, poolSizes: POOLS['reference-api'], applicationName: 'test' })
  t.teardown(() => database.close())
  const { sql } = database.primary
  // The first rows of each list: the newest order, of the first user.
  await sql`update orders set user_id = 1, created_at = '2030-01-01' where id = 1`

  const writes = {
    user: (version: number) => sql`update users set name = ${version}::text where id = 1`,
    order: (version: number) => sql`update orders set total_cents = ${version} where id = 1`,
    product: (version: number) => sql`update products set price_cents = ${version} where id = 1`,
    /** Through the API, which invalidates its cached row. */
    async cachedUser(version: number) {
      const patched = await fetch(`${origins.reference}/users/1`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name: String(version) }),
      })
      if (!patched.ok) throw new Error(`PATCH answered ${patched.status}`)
    },
  }

  /** Writes a version into the rows. The last write is past the late link, so its acknowledgement overtakes reads in flight. */
  async function write(route: Route, version: number): Promise<void> {
    for (const row of route.writes) await writes[row](version)
  }

  async function reads({ statement, countedBy }: Route): Promise<number> {
    const text = await (await fetch(`${origins[countedBy]}/metrics`)).text()
    const counts = text.matchAll(
      new RegExp(`^db_query_duration_seconds_count\\{.*statement="${statement}"\\} (\\d+)$`, 'gm'),
    )
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
  }

  let written = 0
  for (const route of ROUTES) {
    await t.test(route.path, async (t) => {
      const random = createRandom(SEED)
      await write(route, ++written)
      const readsBefore = await reads(route)
      const last = written + WRITES
      let answers = 0
      // A machine that answers late has more writes.
      const isRunning = () => written < last || answers <= 5 * CALLERS
      const writer = async () => {
        while (isRunning()) {
          await write(route, written + 1)
          written++
          await delay(random() * 4)
        }
      }
      const caller = async () => {
        while (isRunning()) {
          const acknowledged = written
          const client = new AbortController()
          const isLeaving = random() < 0.1
          if (isLeaving) void delay(random() * 6).then(() => client.abort())
          const url = origins[route.service] + route.path
          const answer = fetch(url, { signal: client.signal }).then(
            async (reply) => ({ status: reply.status, body: (await reply.json()) as Body }),
            (error: unknown) => {
              if (!isLeaving) throw error
            },
          )
          const reply = await (isLeaving ? answer.catch(() => undefined) : answer)
          if (reply === undefined) continue
          answers++
          if (reply.status !== 200) return t.fail(`answered ${reply.status}`)
          const version = route.version(reply.body)
          if (!(version >= acknowledged)) return t.fail(`read ${version} after ${acknowledged} was written`)
        }
      }
      await Promise.all([writer(), ...Array.from({ length: CALLERS }, caller)])
      const made = (await reads(route)) - readsBefore
      t.ok(made < answers / 2, `${made} reads for ${answers} answers`)
    })
  }
})

/** The URL of a way to Postgres on which its answers take longer. */
async function lateLinkTo(t: { teardown(fn: () => unknown): unknown }, url: string): Promise<string> {
  const target = new URL(url)
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.setNoDelay(true)
      one.on('error', () => {})
      one.on('close', () => other.destroy())
    }
    near.on('data', (data) => far.write(data))
    far.on('data', (data) => setTimeout(() => near.write(data), LATE_MS))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return Object.assign(new URL(url), { port: String((server.address() as AddressInfo).port) }).href
}
