import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type OpenLoopResult, openLoop } from '@reference/bench/load'
import { type Histogram, mergeHistograms, percentilesOf } from '@reference/bench/stats'
import { freePort, prepareDatabase, startPostgres, throwAwaySettings } from '@reference/local-stack'
import postgresClient from 'postgres'
import { request } from 'undici'

const HELP = `How long /health waits beside reports: idle, with worker threads, on the main thread, and with SQL, in one run.

  pnpm exec node services/parallel-api/bench/report-beside-health.ts [--orders 50000,1000000] [--rounds 3] [--seconds 4]
    [--rate 200] [--reports 1] [--postgres away|beside] [--database-url URL]

--rate      /health calls a second, sent when they are due whether or not earlier ones were answered
--reports   callers that ask for a report again as soon as they have one; more than one share, one runs at a time

--postgres  away: it takes only what the service leaves of the cores, as if it had a machine of its own (SCHED_IDLE, needs
            Linux and root); beside: as much as the service, which then waits for the scheduler as well

Needs the machine for itself. Without a URL it starts a Postgres of its own with the settings of infra and fills it; a
URL must lead to a migrated and filled database, whose number of orders then counts instead of --orders.
`

const { values } = parseArgs({
  options: {
    orders: { type: 'string', default: '50000,1000000' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    rate: { type: 'string', default: '200' },
    reports: { type: 'string', default: '1' },
    postgres: { type: 'string', default: 'away' },
    'database-url': { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

interface Plan {
  readonly rounds: number
  readonly seconds: number
  readonly rate: number
  readonly reports: number
}

if (values.help) {
  process.stdout.write(HELP)
} else {
  await main(
    values.orders.split(',').map(Number),
    {
      rounds: Number(values.rounds),
      seconds: Number(values.seconds),
      rate: Number(values.rate),
      reports: Number(values.reports),
    },
    values['database-url'],
  )
}

async function main(sizes: number[], plan: Plan, givenUrl: string | undefined): Promise<void> {
  print(`${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`)
  print(
    `${plan.rounds} rounds of ${plan.seconds} s, /health ${plan.rate}/s, ${plan.reports} callers of /report\n`,
  )
  if (givenUrl !== undefined) return compare(givenUrl, 'given', plan)
  for (const orders of sizes) {
    const postgres = await startPostgres({ settings: throwAwaySettings })
    try {
      await prepareDatabase(postgres.databaseUrl, { users: 10_000, products: 1_000, orders })
      if (values.postgres === 'away') await yieldToOthers(postgres.databaseUrl)
      await compare(postgres.databaseUrl, orders.toLocaleString('en'), plan)
    } finally {
      await postgres.stop()
    }
  }
}

interface Way {
  readonly name: string
  readonly server: Service
  readonly report?: string
}

/** What one way did in one round. */
interface Sample {
  readonly health: OpenLoopResult
  readonly p99: number
  readonly reports: number
  readonly main: ThreadTimes
}

async function compare(databaseUrl: string, orders: string, plan: Plan): Promise<void> {
  const [threads, alone] = await Promise.all([
    startService(databaseUrl, {}),
    startService(databaseUrl, { WORKER_THREADS: '0' }),
  ])
  try {
    const ways: Way[] = [
      { name: 'idle', server: threads },
      { name: 'worker threads', server: threads, report: '/report' },
      { name: 'main thread', server: alone, report: '/report' },
      { name: 'SQL', server: threads, report: '/report?engine=sql' },
    ]
    preferThisProcess()
    for (const way of ways) await measure(way, { ...plan, seconds: Math.min(2, plan.seconds) })
    print(`${orders} orders; nice of the service's threads: ${niceOf(threads.pid)}`)
    const samples = ways.map((): Sample[] => [])
    for (let round = 0; round < plan.rounds; round++) {
      for (const [at, way] of ways.entries()) samples[at]?.push(await measure(way, plan))
    }
    report(ways, samples, plan)
  } finally {
    await Promise.all([threads.stop(), alone.stop()])
  }
}

/** One way for `seconds`: the reports are asked for without a pause, and have ended when it returns. */
async function measure({ server, report }: Way, plan: Plan): Promise<Sample> {
  const { seconds, rate } = plan
  const end = new AbortController()
  let reports = 0
  const askForReports = async () => {
    while (report !== undefined && !end.signal.aborted) {
      const { statusCode, body } = await request(server.origin + report)
      await body.dump({ limit: Number.MAX_SAFE_INTEGER })
      if (statusCode !== 200) throw new Error(`${report} answered ${statusCode}`)
      if (!end.signal.aborted) reports++
    }
  }
  const asking = Array.from({ length: report === undefined ? 0 : plan.reports }, askForReports)
  const before = mainThreadOf(server.pid)
  const health = await openLoop({
    origin: server.origin,
    ratePerSecond: rate,
    durationMs: seconds * 1000,
    requests: [{ path: '/health' }],
  })
  const after = mainThreadOf(server.pid)
  end.abort()
  await Promise.all(asking)
  if (health.errors > 0) throw new Error(`${health.errors} of ${health.sent} calls of /health failed`)
  return {
    health,
    p99: percentilesOf(mergeHistograms([health.histogram])).p99,
    reports,
    main: { cpuMs: after.cpuMs - before.cpuMs, waitMs: after.waitMs - before.waitMs },
  }
}

function report(ways: readonly Way[], samples: readonly Sample[][], { seconds }: Plan): void {
  const idle = samples[0] ?? []
  const merged = (of: readonly Sample[]): Histogram =>
    mergeHistograms(of.map(({ health }) => health.histogram))
  const idleP99 = percentilesOf(merged(idle)).p99
  print(
    '\n| | p50 | p99 | p99 to idle, all rounds | by round | max | reports/s | main thread: CPU | waits for a core | generator late p99 |',
  )
  print('|---|---|---|---|---|---|---|---|---|---|')
  for (const [at, { name }] of ways.entries()) {
    const own = samples[at] ?? []
    const { p50, p99, max } = percentilesOf(merged(own))
    const mean = (value: (sample: Sample) => number) =>
      own.reduce((sum, sample) => sum + value(sample), 0) / own.length
    const byRound = own.map((sample, round) => (sample.p99 / (idle[round]?.p99 ?? Number.NaN)).toFixed(1))
    const cells = [
      name,
      ms(p50),
      ms(p99),
      `${(p99 / idleP99).toFixed(1)}×`,
      byRound.join(' '),
      ms(max),
      (mean(({ reports }) => reports) / seconds).toFixed(1),
      `${mean(({ main }) => main.cpuMs / seconds / 10).toFixed(0)} %`,
      `${mean(({ main }) => main.waitMs / seconds / 10).toFixed(1)} %`,
      ms(mean(({ health }) => health.lagP99Ms)),
    ]
    print(`| ${cells.join(' | ')} |`)
  }
  print('')
}

/**
 * As if the callers were on another machine: what they wait for a core is not what the service makes them wait. Only root
 * may; without, it shows in the generator's lateness.
 */
function preferThisProcess(): void {
  try {
    execFileSync('chrt', ['--fifo', '--reset-on-fork', '--all-tasks', '--pid', '1', String(process.pid)], {
      stdio: 'ignore',
    })
  } catch (error) {
    print(`The generator waits for cores like the others (${error instanceof Error ? error.message : error})`)
  }
}

/** The server of this database, and the sessions that it starts from now on. */
async function yieldToOthers(databaseUrl: string): Promise<void> {
  const sql = postgresClient(databaseUrl, { max: 1 })
  const [session] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`
  const stat = readFileSync(`/proc/${session?.pid}/stat`, 'utf8')
  await sql.end()
  const server = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]
  // A nice value would not do: a process keeps its core for a slice of some ms at any nice value. This class yields at once.
  execFileSync('chrt', ['--idle', '--all-tasks', '--pid', '0', String(server)])
}

interface ThreadTimes {
  readonly cpuMs: number
  /** Ready to run, while others had the cores. */
  readonly waitMs: number
}

/** Of the thread that runs the event loop, by the kernel's own count; zeros where it keeps none. */
function mainThreadOf(pid: number): ThreadTimes {
  try {
    const [cpu = 0, wait = 0] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8')
      .split(' ')
      .map(Number)
    return { cpuMs: cpu / 1e6, waitMs: wait / 1e6 }
  } catch {
    return { cpuMs: 0, waitMs: 0 }
  }
}

/** How many threads have which nice value, such as `0: 11, 10: 1`. */
function niceOf(pid: number): string {
  const counts = new Map<number, number>()
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')
      const nice = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])
      counts.set(nice, (counts.get(nice) ?? 0) + 1)
    }
  } catch {
    return 'unknown'
  }
  return [...counts].map(([nice, threads]) => `${nice}: ${threads}`).join(', ')
}

interface Service {
  readonly origin: string
  readonly pid: number
  stop(): Promise<void>
}

/** A process of its own, in a session of its own, as it is in production. */
async function startService(databaseUrl: string, environment: Record<string, string>): Promise<Service> {
  const port = await freePort()
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, [main], {
    stdio: 'inherit',
    detached: true,
    env: { PATH, HOME, PORT: String(port), DATABASE_URL: databaseUrl, LOG_LEVEL: 'error', ...environment },
  })
  const origin = `http://127.0.0.1:${port}`
  await untilHealthy(child, origin)
  return {
    origin,
    pid: child.pid ?? 0,
    async stop() {
      if (child.exitCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

async function untilHealthy(child: ChildProcess, origin: string): Promise<void> {
  for (const end = performance.now() + 20_000; performance.now() < end; await sleep(20)) {
    if (child.exitCode !== null) break
    try {
      const { statusCode, body } = await request(`${origin}/ready`)
      await body.dump()
      if (statusCode === 200) return
    } catch {
      // Not listening yet.
    }
  }
  child.kill('SIGKILL')
  throw new Error('The service did not become ready')
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
