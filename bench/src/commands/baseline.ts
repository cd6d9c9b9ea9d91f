import { EXIT_CODES } from '@reference/cli'
import { BenchError } from '../errors.ts'
import { alignColumns } from '../report/format.ts'
import { withBench } from '../run/bench.ts'
import { durationsFor } from '../run/plan.ts'
import { createProgress } from '../run/progress.ts'
import type { Dataset } from '../stack/dataset.ts'
import { startServer } from '../stack/server.ts'
import { createHistogram, type Histogram } from '../stats/histogram.ts'

/** A row of `GET /services`. */
interface ServiceRow {
  readonly name: string
  readonly responseMs: number
  readonly thresholdMs: number
  readonly status: string
}

/** A line of the guide's table, with the number of samples and the tail. */
interface BaselineRow {
  readonly name: string
  readonly samples: number
  readonly failures: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly thresholdMs: number
}

const SAMPLES = 100
/** Unavailable systems answer late; then fewer samples are taken. */
const LIMIT_MS = 60_000
/** The guide's threshold for an API. */
const API_THRESHOLD_MS = 500

/**
 * `bench baseline`: one command of its protocol to every configured system, against its threshold.
 *
 * @returns the exit code
 */
export async function baseline(
  { url, dataset }: { readonly url: string | undefined; readonly dataset: Dataset },
  signal: AbortSignal,
): Promise<number> {
  const progress = createProgress()
  const measure = async (origin: string) => {
    progress.step(`${SAMPLES} requests to ${origin}/services`)
    const rows = await takeBaseline(origin, signal)
    progress.done()
    return print(rows)
  }
  if (url !== undefined) return measure(url)
  const options = { dataset, durations: durationsFor({ full: false }), progress, signal }
  return withBench(options, async ({ stack, placement, folder, load }) => {
    const server = await startServer({
      service: 'reference-api',
      environment: stack.environment,
      cores: placement.server,
      folder,
      signal,
    })
    load.reapOnExit({ pids: [server.pid] })
    try {
      return await measure(server.origin)
    } finally {
      await server.stop()
    }
  })
}

/** Requests `/services` repeatedly, and `/health` for the service itself. Every configured system has a row. */
export async function takeBaseline(
  origin: string,
  signal: AbortSignal,
  times = SAMPLES,
): Promise<BaselineRow[]> {
  const systems = new Map<string, { latencies: Histogram; failures: number; thresholdMs: number }>()
  const record = (name: string, ms: number, thresholdMs: number, failed: boolean) => {
    const system = systems.get(name) ?? { latencies: createHistogram(), failures: 0, thresholdMs }
    systems.set(name, system)
    if (failed) system.failures++
    else system.latencies.recordValue(Math.max(1, Math.round(ms * 1000)))
  }
  const until = performance.now() + LIMIT_MS
  for (let i = 0; i < times && performance.now() < until; i++) {
    const began = performance.now()
    const { status } = await get(`${origin}/health`, signal)
    record('the service (/health)', performance.now() - began, API_THRESHOLD_MS, status !== 200)
    for (const row of await getServices(origin, signal))
      record(row.name, row.responseMs, row.thresholdMs, row.status === 'down')
  }
  return [...systems].map(([name, { latencies, failures, thresholdMs }]) => ({
    name,
    samples: latencies.totalCount + failures,
    failures,
    p50Ms: latencies.getValueAtPercentile(50) / 1000,
    p99Ms: latencies.getValueAtPercentile(99) / 1000,
    thresholdMs,
  }))
}

async function getServices(origin: string, signal: AbortSignal): Promise<ServiceRow[]> {
  const { status, body } = await get(`${origin}/services`, signal)
  if (status === 404) {
    throw new BenchError(
      'NO_SERVICES',
      `${origin} has no /services. With INTERNAL_PORT set, that port has it: --url http://…:<INTERNAL_PORT>`,
    )
  }
  if (status !== 200) throw new BenchError('NO_SERVICES', `${origin}/services answers ${status}`)
  const rows: unknown = JSON.parse(body)
  return Array.isArray(rows) ? rows.filter(isServiceRow) : []
}

async function get(url: string, signal: AbortSignal): Promise<{ status: number; body: string }> {
  try {
    const reply = await fetch(url, { signal })
    return { status: reply.status, body: await reply.text() }
  } catch (error) {
    signal.throwIfAborted()
    const { cause = error } = error as Error
    throw new BenchError('UNREACHABLE', `${url} is unavailable`, { cause })
  }
}

function isServiceRow(row: unknown): row is ServiceRow {
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

/** The guide's table, with the number of samples and the tail. */
export function renderBaseline(rows: readonly BaselineRow[]): string {
  const lines = rows.map((row) => {
    const { name, p50Ms, p99Ms, thresholdMs, samples, failures } = row
    const latencies = samples > failures ? [p50Ms.toFixed(2), p99Ms.toFixed(2)] : ['–', '–']
    return [name, ...latencies, `< ${thresholdMs}`, String(samples), verdictOf(row)]
  })
  return `${alignColumns([['', 'p50 ms', 'p99 ms', 'threshold', 'samples', ''], ...lines], 5)}\n`
}

function verdictOf({ failures, samples, p99Ms, thresholdMs }: BaselineRow): string {
  if (failures === samples) return 'DOWN'
  if (failures > 0) return `FAILED ${failures} times`
  return p99Ms <= thresholdMs ? 'within' : 'p99 OVER its threshold'
}

function print(rows: readonly BaselineRow[]): number {
  process.stdout.write(
    `${renderBaseline(rows)}\nOne command of each system's protocol, in sequence. The thresholds are the guide's: they separate broken from working\nsystems, not slow from fast ones.\n`,
  )
  const passed = rows.every(({ failures, p99Ms, thresholdMs }) => failures === 0 && p99Ms <= thresholdMs)
  return passed ? EXIT_CODES.OK : EXIT_CODES.FAILED
}
