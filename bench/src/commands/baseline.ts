import { BenchError } from '../errors.ts'
import { withBench } from '../run/bench.ts'
import { shortDurations } from '../run/plan.ts'
import { createProgress } from '../run/progress.ts'
import { startServer } from '../stack/server.ts'
import { createHistogram, type Histogram } from '../stats/histogram.ts'
import type { Arguments } from './arguments.ts'

interface ServiceRow {
  readonly name: string
  readonly responseMs: number
  readonly thresholdMs: number
  readonly status: string
}

/** One line of the guide's table, with what the guide leaves out: how often it was asked, and the tail. */
export interface BaselineRow {
  readonly name: string
  readonly samples: number
  readonly failures: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly thresholdMs: number
}

const samples = 100
/** Systems that are down answer late; then fewer samples have to do. */
const limitMs = 60_000
/** The guide's threshold for an API. */
const apiThresholdMs = 500

/** `bench baseline`: every configured system, one real command of its protocol each, against its threshold. */
export async function baseline(args: Arguments, signal: AbortSignal): Promise<number> {
  const progress = createProgress()
  if (args.url !== undefined) {
    progress.step(`asking ${args.url} ${samples} times`)
    const rows = await takeBaseline(args.url, signal)
    progress.done()
    return print(rows)
  }
  return withBench({ world: args.world, durations: shortDurations, progress, signal }, async (bench) => {
    const { stack, placement, folder } = bench
    const environment = {
      DATABASE_URL: stack.databaseUrl,
      ...(stack.redisUrl && { REDIS_URL: stack.redisUrl }),
    }
    const server = await startServer({
      service: 'reference-api',
      environment,
      cores: placement.server,
      folder,
      signal,
    })
    bench.load.guard([server.pid])
    try {
      progress.step(`asking each system ${samples} times`)
      const rows = await takeBaseline(server.origin, signal)
      progress.done()
      return print(rows)
    } finally {
      await server.stop()
    }
  })
}

/** Asks `/services` again and again, and `/health` for the service itself: whatever is configured gets a row. */
export async function takeBaseline(
  origin: string,
  signal: AbortSignal,
  times = samples,
): Promise<BaselineRow[]> {
  const systems = new Map<string, { times: Histogram; failures: number; thresholdMs: number }>()
  const record = (name: string, ms: number, thresholdMs: number, failed: boolean) => {
    const system = systems.get(name) ?? { times: createHistogram(), failures: 0, thresholdMs }
    systems.set(name, system)
    if (failed) system.failures++
    else system.times.recordValue(Math.max(1, Math.round(ms * 1000)))
  }
  const until = performance.now() + limitMs
  for (let i = 0; i < times && performance.now() < until; i++) {
    const began = performance.now()
    const { status } = await ask(`${origin}/health`, signal)
    record('the service (/health)', performance.now() - began, apiThresholdMs, status !== 200)
    for (const row of await askServices(origin, signal))
      record(row.name, row.responseMs, row.thresholdMs, row.status === 'down')
  }
  return [...systems].map(([name, { times, failures, thresholdMs }]) => ({
    name,
    samples: times.totalCount + failures,
    failures,
    p50Ms: times.getValueAtPercentile(50) / 1000,
    p99Ms: times.getValueAtPercentile(99) / 1000,
    thresholdMs,
  }))
}

async function askServices(origin: string, signal: AbortSignal): Promise<ServiceRow[]> {
  const { status, body } = await ask(`${origin}/services`, signal)
  if (status === 404) {
    throw new BenchError(
      'NO_SERVICES',
      `${origin} has no /services: with INTERNAL_PORT set, it answers at that port (--url http://…:<INTERNAL_PORT>)`,
    )
  }
  if (status !== 200) throw new BenchError('NO_SERVICES', `${origin}/services answers ${status}`)
  const rows: unknown = JSON.parse(body)
  return Array.isArray(rows) ? rows.filter(isRow) : []
}

async function ask(url: string, signal: AbortSignal): Promise<{ status: number; body: string }> {
  try {
    const answer = await fetch(url, { signal })
    return { status: answer.status, body: await answer.text() }
  } catch (error) {
    signal.throwIfAborted()
    const { cause = error } = error as Error
    throw new BenchError('UNREACHABLE', `${url} does not answer: ${(cause as Error).message}`, {
      cause: error,
    })
  }
}

function isRow(row: unknown): row is ServiceRow {
  return (
    typeof row === 'object' &&
    row !== null &&
    'name' in row &&
    'responseMs' in row &&
    typeof row.responseMs === 'number' &&
    'thresholdMs' in row &&
    'status' in row
  )
}

/** The guide's table, with the tail and the number of samples in place of an adjective. */
export function renderBaseline(rows: readonly BaselineRow[]): string {
  const width = Math.max(...rows.map(({ name }) => name.length))
  const lines = rows.map((row) => {
    const { name, p50Ms, p99Ms, thresholdMs, samples, failures } = row
    const known = samples > failures
    const cells = [
      known ? p50Ms.toFixed(2) : '–',
      known ? p99Ms.toFixed(2) : '–',
      `< ${thresholdMs}`,
      String(samples),
    ]
    return `  ${name.padEnd(width)}${cells.map((cell) => cell.padStart(11)).join('')}  ${verdictOf(row)}\n`
  })
  const head = ['p50 ms', 'p99 ms', 'threshold', 'samples'].map((cell) => cell.padStart(11)).join('')
  return `  ${''.padEnd(width)}${head}\n${lines.join('')}`
}

function verdictOf({ failures, samples, p99Ms, thresholdMs }: BaselineRow): string {
  if (failures === samples) return 'DOWN'
  if (failures > 0) return `FAILED ${failures} times`
  return p99Ms <= thresholdMs ? 'within' : 'p99 OVER its threshold'
}

function print(rows: readonly BaselineRow[]): number {
  process.stdout.write(
    `${renderBaseline(rows)}\nOne real command of its protocol each, asked one after the other. Thresholds are the guide's: they tell slow from broken,\nnot fast from slow.\n`,
  )
  return rows.every(({ failures, p99Ms, thresholdMs }) => failures === 0 && p99Ms <= thresholdMs) ? 0 : 1
}
