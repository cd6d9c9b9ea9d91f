import { fork } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { median } from '@reference/bench/stats'
import { action, integer, runCommand } from '@reference/cli'
import { prepareDatabase, startPostgres, throwAwaySettings } from '@reference/local-stack'
import { Pool } from 'undici'

interface Plan {
  readonly limit: number
  readonly rounds: number
  readonly seconds: number
  readonly callers: number
}

await runCommand(
  'pnpm exec node services/parallel-api/bench/all-beside-plain.ts',
  action({
    summary: 'Compare GET /all with the plain way: rows, objects with dates, JSON.stringify.',
    options: {
      limit: integer({ help: 'rows of each table', fallback: 100 }),
      rounds: integer({ help: 'interleaved rounds', fallback: 7 }),
      seconds: integer({ help: 'duration of each measurement', fallback: 2 }),
      callers: integer({ help: 'requests in flight', fallback: 8 }),
    },
    details: `Starts its own Postgres, and the server in its own process. The last two lines are ratios, shipped to plain: replies a
second with everything on this machine, where Postgres may be the bottleneck, and replies for each second of Node's CPU. Each is
the median of the rounds with the smallest and the largest.`,
    async run(plan) {
      const database = await startPostgres({ settings: throwAwaySettings })
      try {
        await prepareDatabase(database.databaseUrl, { users: 10_000, products: 1_000, orders: 50_000 })
        const server = fork(new URL('all-and-plain-server.ts', import.meta.url), [database.databaseUrl])
        try {
          const [origin] = await once(server, 'message')
          await compare(String(origin), plan)
        } finally {
          server.kill('SIGKILL')
        }
      } finally {
        await database.stop()
      }
      return undefined
    },
  }),
)

async function compare(origin: string, plan: Plan): Promise<void> {
  const pool = new Pool(origin, { connections: plan.callers })
  const shipped = `/all?limit=${plan.limit}`
  const plain = `/plain?limit=${plan.limit}`
  const [one, other] = await Promise.all([get(pool, shipped), get(pool, plain)])
  if (one !== other) throw new Error('The two replies differ')
  print(`${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`)
  print(`${plan.limit} rows of each, ${one.length} bytes, ${plan.callers} in flight\n`)
  // A warm-up of both.
  for (const path of [plain, shipped]) await measure(pool, path, plan)
  const rounds: { plain: Sample; shipped: Sample }[] = []
  for (let round = 0; round < plan.rounds; round++) {
    // The order alternates, so that neither is always first.
    const plainFirst = round % 2 === 0
    const first = await measure(pool, plainFirst ? plain : shipped, plan)
    const second = await measure(pool, plainFirst ? shipped : plain, plan)
    rounds.push(plainFirst ? { plain: first, shipped: second } : { plain: second, shipped: first })
  }
  await pool.destroy()
  for (const way of ['shipped', 'plain'] as const) {
    const rate = median(rounds.map((round) => round[way].perSecond))
    const cpu = median(rounds.map((round) => round[way].cpuMs))
    print(`${way.padEnd(8)} ${Math.round(rate)} replies/s, ${cpu.toFixed(2)} ms of Node's CPU a reply`)
  }
  print(`replies/s, shipped to plain: ${spread(rounds.map((r) => r.shipped.perSecond / r.plain.perSecond))}`)
  print(`replies per second of Node's CPU: ${spread(rounds.map((r) => r.plain.cpuMs / r.shipped.cpuMs))}`)
}

function spread(ratios: number[]): string {
  return `${median(ratios).toFixed(2)}× (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`
}

interface Sample {
  readonly perSecond: number
  /** Node's CPU time for each reply. */
  readonly cpuMs: number
}

async function measure(pool: Pool, path: string, { seconds, callers }: Plan): Promise<Sample> {
  const cpuBefore = await cpuMsOf(pool)
  const startedAt = performance.now()
  let replies = 0
  const caller = async () => {
    while (performance.now() - startedAt < seconds * 1000) {
      const { statusCode, body } = await pool.request({ path, method: 'GET' })
      await body.dump({ limit: Number.MAX_SAFE_INTEGER })
      if (statusCode !== 200) throw new Error(`${path} answered ${statusCode}`)
      replies++
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  const perSecond = (replies / (performance.now() - startedAt)) * 1000
  return { perSecond, cpuMs: ((await cpuMsOf(pool)) - cpuBefore) / replies }
}

async function cpuMsOf(pool: Pool): Promise<number> {
  const { user, system } = JSON.parse(await get(pool, '/cpu')) as NodeJS.CpuUsage
  return (user + system) / 1000
}

async function get(pool: Pool, path: string): Promise<string> {
  const { body } = await pool.request({ path, method: 'GET' })
  return body.text()
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
