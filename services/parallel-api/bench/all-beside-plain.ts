import { fork } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createDatabase } from '@reference/database'
import { createServer } from '@reference/http'
import { prepareDatabase, startPostgres, throwAwaySettings } from '@reference/local-stack'
import { POOLS } from '@reference/shop'
import postgres from 'postgres'
import { Pool } from 'undici'
import { allRoute } from '../src/routes/all.ts'

const HELP = `GET /all beside the plain way (rows, objects with dates, JSON.stringify), interleaved in one run on one server.

  pnpm exec node services/parallel-api/bench/all-beside-plain.ts [--limit 100] [--rounds 7] [--seconds 2] [--callers 8]

Starts a Postgres of its own, and the server as a process of its own. The last two lines are ratios, shipped to plain: of the
replies a second with all on this machine, where Postgres may be what is slow, and of the replies that a second of Node's CPU
makes. The median of the rounds, and the least and the most of them.
`

const { values } = parseArgs({
  options: {
    limit: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '2' },
    callers: { type: 'string', default: '8' },
    serve: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) process.stdout.write(HELP)
else if (values.serve !== undefined) await serve(values.serve)
else await main()

/** Both ways on one Fastify: the shipped route as it is, and the plain one. */
async function serve(url: string): Promise<void> {
  const database = createDatabase({ url, poolSizes: POOLS['parallel-api'], applicationName: 'parallel-api' })
  const sql = postgres(url, { max: 25 })
  const app = await createServer({ service: 'bench', version: '0', logLevel: 'error' })
  allRoute(app, { database, config: { parallelFetch: true }, deadlines: { allMs: 5_000 } })
  app.get<{ Querystring: { limit: string } }>('/plain', async (request, reply) => {
    const limit = Number(request.query.limit)
    const [users, orders, products] = await Promise.all([
      sql`select id, email, name, created_at as "createdAt" from users order by id limit ${limit}`,
      sql`select id::int, user_id as "userId", product_id as "productId", quantity, total_cents::float8 as "totalCents",
        status, created_at as "createdAt" from orders order by created_at desc, orders.id desc limit ${limit}`,
      sql`select id, name, category, price_cents as "priceCents" from products order by id limit ${limit}`,
    ])
    return reply.type('application/json; charset=utf-8').send(JSON.stringify({ users, orders, products }))
  })
  app.get('/cpu', () => process.cpuUsage())
  process.send?.(await app.listen({ host: '127.0.0.1', port: 0 }))
}

async function main(): Promise<void> {
  const postgresServer = await startPostgres({ settings: throwAwaySettings })
  try {
    await prepareDatabase(postgresServer.databaseUrl, { users: 10_000, products: 1_000, orders: 50_000 })
    const child = fork(fileURLToPath(import.meta.url), ['--serve', postgresServer.databaseUrl])
    try {
      const [origin] = await once(child, 'message')
      await compare(String(origin))
    } finally {
      child.kill('SIGKILL')
    }
  } finally {
    await postgresServer.stop()
  }
}

async function compare(origin: string): Promise<void> {
  const pool = new Pool(origin, { connections: Number(values.callers) })
  const [shipped, plain] = ['/all', '/plain'].map((path) => `${path}?limit=${values.limit}`) as [
    string,
    string,
  ]
  const [one, other] = await Promise.all([shipped, plain].map((path) => get(pool, path)))
  if (one !== other) throw new Error('The two ways answer differently')
  print(`${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`)
  print(`${values.limit} rows of each, ${one?.length} bytes, ${values.callers} in flight\n`)
  for (const path of [plain, shipped]) await measure(pool, path)
  const rounds: { plain: Sample; shipped: Sample }[] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    // Turn about, so that neither is always the first.
    const first = round % 2 === 0
    const a = await measure(pool, first ? plain : shipped)
    const b = await measure(pool, first ? shipped : plain)
    rounds.push(first ? { plain: a, shipped: b } : { plain: b, shipped: a })
  }
  await pool.destroy()
  for (const way of ['shipped', 'plain'] as const) {
    const rate = median(rounds.map((round) => round[way].perSecond))
    const cpu = median(rounds.map((round) => round[way].cpuMs))
    print(`${way.padEnd(8)} ${Math.round(rate)} replies/s, ${cpu.toFixed(2)} ms of Node's CPU a reply`)
  }
  print(`replies/s, shipped to plain: ${spread(rounds.map((r) => r.shipped.perSecond / r.plain.perSecond))}`)
  print(`replies that a core of Node's makes: ${spread(rounds.map((r) => r.plain.cpuMs / r.shipped.cpuMs))}`)
}

function spread(ratios: number[]): string {
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)]
  return `${median(ratios).toFixed(2)}× (${least.toFixed(2)} to ${most.toFixed(2)})`
}

interface Sample {
  readonly perSecond: number
  readonly cpuMs: number
}

async function measure(pool: Pool, path: string): Promise<Sample> {
  const durationMs = Number(values.seconds) * 1000
  const before = await cpuOf(pool)
  const began = performance.now()
  let replies = 0
  const caller = async () => {
    while (performance.now() - began < durationMs) {
      const { statusCode, body } = await pool.request({ path, method: 'GET' })
      await body.dump({ limit: Number.MAX_SAFE_INTEGER })
      if (statusCode !== 200) throw new Error(`${path} answered ${statusCode}`)
      replies++
    }
  }
  await Promise.all(Array.from({ length: Number(values.callers) }, caller))
  const perSecond = (replies / (performance.now() - began)) * 1000
  return { perSecond, cpuMs: ((await cpuOf(pool)) - before) / replies }
}

async function cpuOf(pool: Pool): Promise<number> {
  const { user, system } = JSON.parse(await get(pool, '/cpu')) as NodeJS.CpuUsage
  return (user + system) / 1000
}

async function get(pool: Pool, path: string): Promise<string> {
  const { body } = await pool.request({ path, method: 'GET' })
  return body.text()
}

function median(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
