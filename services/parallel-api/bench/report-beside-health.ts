import { cpus } from 'node:os'
import { type OpenLoopResult, openLoop } from '@reference/bench/load'
import { type Histogram, mean, mergeHistograms, percentilesOf } from '@reference/bench/stats'
import { action, integer, oneOf, runCommand, text } from '@reference/cli'
import { prepareDatabase, startPostgres, throwAwaySettings } from '@reference/local-stack'
import { request } from 'undici'
import { mainThreadOf, niceOf, preferThisProcess, type ThreadTimes, yieldPostgres } from './scheduling.ts'
import { type ServiceProcess, startService } from './service-process.ts'

interface Plan {
  readonly rounds: number
  readonly seconds: number
  readonly rate: number
  readonly reports: number
}

await runCommand(
  'pnpm exec node services/parallel-api/bench/report-beside-health.ts',
  action({
    summary:
      'Measure /health beside reports: idle, worker threads, main thread and SQL, interleaved in one run.',
    options: {
      orders: text({ placeholder: 'N,N', help: 'sizes of the table orders', fallback: '50000,1000000' }),
      rounds: integer({ help: 'interleaved rounds', fallback: 3 }),
      seconds: integer({ help: 'duration of each measurement', fallback: 4 }),
      rate: integer({ help: 'calls of /health a second, sent on schedule', fallback: 200 }),
      reports: integer({
        help: 'callers that request reports without a pause; they share runs',
        fallback: 1,
      }),
      postgres: oneOf(['away', 'beside'], {
        help: 'away: runs only while the service does not need the cores, as if on another machine (Linux, root); beside: competes',
        fallback: 'away',
      }),
      'database-url': text({
        placeholder: 'URL',
        help: 'a migrated and filled database, in place of --orders',
      }),
    },
    details: `Needs an otherwise idle machine. Without a URL it starts its own Postgres with the settings of infra, and fills it.`,
    async run({ orders, postgres, 'database-url': givenUrl, ...plan }) {
      print(`${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`)
      print(
        `${plan.rounds} rounds of ${plan.seconds} s, /health ${plan.rate}/s, ${plan.reports} callers of /report\n`,
      )
      if (givenUrl !== undefined) await compare(givenUrl, 'given', plan)
      else
        for (const size of orders.split(',').map(Number)) await compareWith(size, postgres === 'away', plan)
      return undefined
    },
  }),
)

async function compareWith(orders: number, away: boolean, plan: Plan): Promise<void> {
  const database = await startPostgres({ settings: throwAwaySettings })
  try {
    await prepareDatabase(database.databaseUrl, { users: 10_000, products: 1_000, orders })
    if (away) await yieldPostgres(database.databaseUrl)
    await compare(database.databaseUrl, orders.toLocaleString('en'), plan)
  } finally {
    await database.stop()
  }
}

interface Way {
  readonly name: string
  readonly server: ServiceProcess
  readonly report?: string
}

/** The figures of one way in one round. */
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
    if (!preferThisProcess()) print('Not permitted to run in real time: the generator competes for the cores')
    // A warm-up of each way.
    for (const way of ways) await measure(way, { ...plan, seconds: Math.min(2, plan.seconds) })
    print(`${orders} orders; nice of the service's threads: ${niceOf(threads.pid)}`)
    const samples = ways.map((): Sample[] => [])
    for (let round = 0; round < plan.rounds; round++) {
      for (const [at, way] of ways.entries()) samples[at]?.push(await measure(way, plan))
    }
    printTable(ways, samples, plan)
  } finally {
    await Promise.all([threads.stop(), alone.stop()])
  }
}

/** Measures one way for `seconds`. Reports are requested without a pause, and have ended when it returns. */
async function measure({ server, report }: Way, plan: Plan): Promise<Sample> {
  const { seconds, rate } = plan
  const end = new AbortController()
  let reports = 0
  const requestReports = async () => {
    while (report !== undefined && !end.signal.aborted) {
      const { statusCode, body } = await request(server.origin + report)
      await body.dump({ limit: Number.MAX_SAFE_INTEGER })
      if (statusCode !== 200) throw new Error(`${report} answered ${statusCode}`)
      if (!end.signal.aborted) reports++
    }
  }
  const requesting = Array.from({ length: report === undefined ? 0 : plan.reports }, requestReports)
  const before = mainThreadOf(server.pid)
  const health = await openLoop({
    origin: server.origin,
    ratePerSecond: rate,
    durationMs: seconds * 1000,
    requests: [{ path: '/health' }],
  })
  const after = mainThreadOf(server.pid)
  end.abort()
  await Promise.all(requesting)
  if (health.errors > 0) throw new Error(`${health.errors} of ${health.sent} calls of /health failed`)
  return {
    health,
    p99: percentilesOf(mergeHistograms([health.histogram])).p99,
    reports,
    main: { cpuMs: after.cpuMs - before.cpuMs, waitMs: after.waitMs - before.waitMs },
  }
}

const COLUMNS = [
  ...['', 'p50', 'p99', 'p99 to idle, all rounds', 'by round', 'max', 'reports/s'],
  ...['main thread: CPU', 'waits for a core', 'generator late p99'],
]

function printTable(ways: readonly Way[], samples: readonly Sample[][], { seconds }: Plan): void {
  const idle = samples[0] ?? []
  const merged = (of: readonly Sample[]): Histogram =>
    mergeHistograms(of.map(({ health }) => health.histogram))
  const idleP99 = percentilesOf(merged(idle)).p99
  print(`\n| ${COLUMNS.join(' | ')} |`)
  print(`|${'---|'.repeat(COLUMNS.length)}`)
  for (const [at, { name }] of ways.entries()) {
    const own = samples[at] ?? []
    const { p50, p99, max } = percentilesOf(merged(own))
    const meanOf = (value: (sample: Sample) => number) => mean(own.map(value))
    const byRound = own.map((sample, round) => (sample.p99 / (idle[round]?.p99 ?? Number.NaN)).toFixed(1))
    const cells = [
      name,
      ms(p50),
      ms(p99),
      `${(p99 / idleP99).toFixed(1)}×`,
      byRound.join(' '),
      ms(max),
      (meanOf(({ reports }) => reports) / seconds).toFixed(1),
      `${meanOf(({ main }) => main.cpuMs / seconds / 10).toFixed(0)} %`,
      `${meanOf(({ main }) => main.waitMs / seconds / 10).toFixed(1)} %`,
      ms(meanOf(({ health }) => health.lagP99Ms)),
    ]
    print(`| ${cells.join(' | ')} |`)
  }
  print('')
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
