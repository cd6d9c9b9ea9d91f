import type { Arguments } from './arguments.ts'
import { withBench } from './benchmark.ts'
import { BenchError } from './errors.ts'
import { createHistogram, type Histogram } from './histogram.ts'
import { shortDurations } from './plan.ts'
import { createProgress } from './progress.ts'
import { startServer } from './server.ts'

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
/** The guide's threshold for an API. */
const apiThresholdMs = 500

/** `bench baseline`: every configured system, one real command of its protocol each, against its threshold. */
export async function baseline(args: Arguments, signal: AbortSignal): Promise<number> {
  if (args.url !== undefined) return print(await takeBaseline(args.url, signal))
  const progress = createProgress()
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

/** Asks `/services` again and again, and `/health` for the API itself. */
export async function takeBaseline(origin: string, signal: AbortSignal): Promise<BaselineRow[]> {
  const systems = new Map<string, { times: Histogram; failures: number; thresholdMs: number }>()
  const record = (name: string, ms: number, thresholdMs: number, failed: boolean) => {
    const system = systems.get(name) ?? { times: createHistogram(), failures: 0, thresholdMs }
    systems.set(name, system)
    if (failed) system.failures++
    else system.times.recordValue(Math.max(1, Math.round(ms * 1000)))
  }
  for (let i = 0; i < samples; i++) {
    const began = performance.now()
    const health = await fetch(`${origin}/health`, { signal })
    await health.arrayBuffer()
    record('reference-api', performance.now() - began, apiThresholdMs, health.status !== 200)
    for (const row of await askServices(origin, signal)) {
      record(
        row.name,
        row.responseMs,
        row.thresholdMs,
        !/^(up|ok|healthy|degraded|excellent|good|acceptable)$/i.test(row.status),
      )
    }
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
  const answer = await fetch(`${origin}/services`, { signal })
  if (answer.status !== 200)
    throw new BenchError('NO_SERVICES', `${origin}/services answers ${answer.status}`)
  const body: unknown = await answer.json()
  return Array.isArray(body) ? body.filter(isRow) : []
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

function print(rows: readonly BaselineRow[]): number {
  const lines = rows.map(({ name, p50Ms, p99Ms, thresholdMs, samples, failures }) => {
    const verdict = failures > 0 ? `${failures} failed` : p99Ms <= thresholdMs ? 'within' : 'TOO SLOW'
    const cells = [p50Ms.toFixed(2), p99Ms.toFixed(2), `< ${thresholdMs}`, String(samples)]
    return `  ${name.padEnd(20)}${cells.map((cell) => cell.padStart(10)).join('')}  ${verdict}\n`
  })
  const head = ['p50 ms', 'p99 ms', 'threshold', 'samples'].map((cell) => cell.padStart(10)).join('')
  process.stdout.write(`  ${'system'.padEnd(20)}${head}  p99 against threshold\n${lines.join('')}`)
  return rows.every(({ failures, p99Ms, thresholdMs }) => failures === 0 && p99Ms <= thresholdMs) ? 0 : 1
}
