import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { text } from 'node:stream/consumers'
import { EXIT_CODES } from '@reference/cli'
import { startStack } from '@reference/local-stack'
import { BenchError } from '../errors.ts'
import { alignColumns } from '../report/format.ts'
import { createProgress } from '../run/progress.ts'

type Range = readonly [from: number, to: number]

interface Measurement {
  readonly what: string
  readonly perSecond: number
  /** The guide's range, where it has one. */
  readonly expected?: Range | undefined
}

/** The output of the two tools. */
interface Output {
  readonly step: (text: string) => void
  readonly missing: (text: string) => void
  readonly signal: AbortSignal
}

const EXPLANATION = `The guide's ranges are from one laptop (pgbench at scale 50, here 10). Here client and servers share the processor, and each
caller waits for its reply (closed loop), so these figures only show whether a server is badly configured. The value of a
tuning is measured by pnpm bench.`
const NO_PGBENCH =
  'pgbench is not installed (Debian, Ubuntu: apt-get install postgresql-contrib; macOS: brew install libpq)'
const NO_REDIS_BENCHMARK =
  'redis-benchmark is not installed (Debian, Ubuntu: apt-get install redis-tools; macOS: brew install redis)'

const PGBENCH_TESTS: readonly { name: string; flags: readonly string[]; expected?: Range }[] = [
  { name: 'read-write (TPC-B)', flags: [], expected: [2000, 3000] },
  { name: 'read only', flags: ['-S'] },
  { name: 'read only, prepared', flags: ['-S', '-M', 'prepared'] },
]
const REDIS_TESTS: readonly { name: string; flags: readonly string[]; expected?: Record<string, Range> }[] = [
  { name: 'one command a time', flags: [], expected: { SET: [50_000, 80_000], GET: [60_000, 100_000] } },
  { name: 'pipelines of 16', flags: ['-P', '16'] },
]

/**
 * `bench infra`: the guide's pgbench and redis-benchmark runs against the stack, with the guide's ranges.
 *
 * @returns the exit code
 */
export async function infra(signal: AbortSignal): Promise<number> {
  const progress = createProgress()
  progress.step('starting Postgres and Redis, durable and with the files of infra/')
  const stack = await startStack({ say: progress.note })
  const measurements: Measurement[] = []
  const missing: string[] = []
  const output = { step: progress.step, missing: (text: string) => missing.push(text), signal }
  try {
    measurements.push(...(await measurePostgres(stack.superuserUrl, output)))
    measurements.push(...(await measureRedis(stack.redisUrl, output)))
  } finally {
    progress.done()
    await stack.stop()
  }
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`
  const notRun = missing.map((text) => `  not run: ${text}\n`).join('')
  process.stdout.write(`${renderInfra(measurements)}\n${notRun}\n${machine}\n${EXPLANATION}\n`)
  return missing.length === 0 ? EXIT_CODES.OK : EXIT_CODES.FAILED
}

/** The measurements with the guide's ranges. */
export function renderInfra(measurements: readonly Measurement[]): string {
  const rows = measurements.map(({ what, perSecond, expected }) => [
    what,
    `${rounded(perSecond)}/s`,
    expected === undefined ? '–' : `${rounded(expected[0])}–${rounded(expected[1])}/s`,
    expected === undefined ? '' : positionIn(expected, perSecond),
  ])
  return alignColumns([['', 'here', 'the guide expects', ''], ...rows], 3)
}

function positionIn([from, to]: Range, value: number): string {
  if (value < from) return `below: ${(value / from).toFixed(2)}× its lower end`
  return value > to ? `above: ${(value / to).toFixed(2)}× its upper end` : 'within'
}

function rounded(value: number): string {
  return Math.round(value).toLocaleString('en')
}

async function measurePostgres(url: string, { step, missing, signal }: Output): Promise<Measurement[]> {
  step('pgbench: filling, scale 10')
  if ((await runTool('pgbench', ['-i', '-q', '-s', '10', url], signal)) === undefined) {
    missing(NO_PGBENCH)
    return []
  }
  const measured: Measurement[] = []
  for (const { name, flags, expected } of PGBENCH_TESTS) {
    step(`pgbench -c 10 -j 2 ${flags.join(' ')}`.trimEnd())
    const threads = String(Math.min(2, cpus().length))
    const output = await runTool('pgbench', ['-c', '10', '-j', threads, '-T', '8', ...flags, url], signal)
    const perSecond = Number(/tps = ([\d.]+)/.exec(output ?? '')?.[1])
    measured.push({ what: `Postgres, transactions, ${name}`, perSecond, expected })
  }
  return measured
}

async function measureRedis(
  url: string | undefined,
  { step, missing, signal }: Output,
): Promise<Measurement[]> {
  if (url === undefined) {
    missing('no Redis on this machine')
    return []
  }
  const measured: Measurement[] = []
  for (const { name, flags, expected } of REDIS_TESTS) {
    const args = ['-t', 'set,get', '-n', '100000', ...flags]
    step(`redis-benchmark ${args.join(' ')}`)
    const output = await runTool('redis-benchmark', ['-p', new URL(url).port, '--csv', ...args], signal)
    if (output === undefined) {
      missing(NO_REDIS_BENCHMARK)
      return measured
    }
    for (const [, command = '', rate] of output.matchAll(/^"(SET|GET)","([\d.]+)"/gm))
      measured.push({
        what: `Redis ${command}, ${name}`,
        perSecond: Number(rate),
        expected: expected?.[command],
      })
  }
  return measured
}

/** Standard output of a command, or undefined where it is not installed. */
async function runTool(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], signal })
  try {
    const [output, errors, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ])
    if (code === 0) return output
    throw new BenchError('INFRA_FAILED', `${command} exited with code ${code}: ${errors.trim()}`)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
