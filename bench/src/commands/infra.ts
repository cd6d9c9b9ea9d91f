import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { startStack } from '@reference/local-stack'
import { BenchError } from '../errors.ts'
import { createProgress } from '../run/progress.ts'
import type { Arguments } from './arguments.ts'

/** A line of the guide, or one beside it that the guide has not. */
interface Measurement {
  readonly what: string
  readonly perSecond: number
  /** What the guide expects. */
  readonly expected?: readonly [from: number, to: number]
}

const statement = `The guide's ranges are those of one laptop (pgbench at scale 50, here 10). Client and servers share the processor here, and
each caller waits for its answer (closed loop), so these figures say one thing: whether a server is badly set up. What a
tuning is worth is measured by pnpm bench.`

/**
 * `bench infra`: the guide's pgbench and redis-benchmark runs against the stack, its expected ranges beside. Those are
 * of one laptop and closed loop: what they are good for is to see that a server is not badly set up.
 */
export async function infra(_args: Arguments, signal: AbortSignal): Promise<number> {
  const progress = createProgress()
  progress.step('starting Postgres and Redis, durable and with the files of infra/')
  const stack = await startStack({ say: progress.note })
  const measurements: Measurement[] = []
  const missing: string[] = []
  const tell = { step: progress.step, missing: (text: string) => missing.push(text), signal }
  try {
    measurements.push(...(await postgres(stack.superuserUrl, tell)))
    measurements.push(...(await redis(stack.redisUrl, tell)))
  } finally {
    progress.done()
    await stack.stop()
  }
  const { cores, cpuModel } = { cores: cpus().length, cpuModel: cpus()[0]?.model.trim() ?? 'unknown' }
  process.stdout.write(
    `${renderInfra(measurements)}\n${missing.map((text) => `  not run: ${text}\n`).join('')}\n${cores} × ${cpuModel}\n${statement}\n`,
  )
  return missing.length === 0 ? 0 : 1
}

/** The measurements beside what the guide expects. */
export function renderInfra(measurements: readonly Measurement[]): string {
  const rows = measurements.map(({ what, perSecond, expected }) => [
    what,
    `${rounded(perSecond)}/s`,
    expected === undefined ? '–' : `${rounded(expected[0])}–${rounded(expected[1])}/s`,
    expected === undefined ? '' : against(perSecond, expected),
  ])
  const table = [['', 'here', 'the guide expects', ''], ...rows]
  const widths = [0, 1, 2].map((i) => Math.max(...table.map((row) => row[i]?.length ?? 0)))
  return table
    .map(([what = '', here = '', expects = '', verdict = '']) =>
      `  ${what.padEnd(widths[0] ?? 0)}  ${here.padStart(widths[1] ?? 0)}  ${expects.padStart(widths[2] ?? 0)}  ${verdict}`.trimEnd(),
    )
    .join('\n')
}

function against(value: number, [from, to]: readonly [number, number]): string {
  if (value < from) return `below: ${(value / from).toFixed(2)}× its lower end`
  return value > to ? `above: ${(value / to).toFixed(2)}× its upper end` : 'within'
}

function rounded(value: number): string {
  return Math.round(value).toLocaleString('en')
}

interface Telling {
  readonly step: (text: string) => void
  readonly missing: (text: string) => void
  readonly signal: AbortSignal
}

async function postgres(url: string, { step, missing, signal }: Telling): Promise<Measurement[]> {
  step('pgbench: filling, scale 10')
  if ((await run('pgbench', ['-i', '-q', '-s', '10', url], signal)) === undefined) {
    missing(
      'pgbench is not installed (Debian, Ubuntu: apt-get install postgresql-contrib; macOS: brew install libpq)',
    )
    return []
  }
  const tests = [
    { name: 'read-write (TPC-B)', flags: [], expected: [2000, 3000] as const },
    { name: 'read only', flags: ['-S'] },
    { name: 'read only, prepared', flags: ['-S', '-M', 'prepared'] },
  ]
  const measured: Measurement[] = []
  for (const { name, flags, expected } of tests) {
    step(`pgbench -c 10 -j 2 ${flags.join(' ')}`.trimEnd())
    const threads = String(Math.min(2, cpus().length))
    const output = await run('pgbench', ['-c', '10', '-j', threads, '-T', '8', ...flags, url], signal)
    const perSecond = Number(/tps = ([\d.]+)/.exec(output ?? '')?.[1])
    measured.push({ what: `Postgres, transactions, ${name}`, perSecond, ...(expected && { expected }) })
  }
  return measured
}

async function redis(url: string | undefined, { step, missing, signal }: Telling): Promise<Measurement[]> {
  if (url === undefined) {
    missing('no Redis on this machine')
    return []
  }
  const port = new URL(url).port
  const ranges: Readonly<Record<string, readonly [number, number]>> = {
    SET: [50_000, 80_000],
    GET: [60_000, 100_000],
  }
  const tests = [
    { name: 'one command a time', flags: [] },
    { name: 'pipelines of 16', flags: ['-P', '16'] },
  ]
  const measured: Measurement[] = []
  for (const { name, flags } of tests) {
    const args = ['-t', 'set,get', '-n', '100000', ...flags]
    step(`redis-benchmark ${args.join(' ')}`)
    const output = await run('redis-benchmark', ['-p', port, '--csv', ...args], signal)
    if (output === undefined) {
      missing(
        'redis-benchmark is not installed (Debian, Ubuntu: apt-get install redis-tools; macOS: brew install redis)',
      )
      return measured
    }
    for (const [, command = '', rate] of output.matchAll(/^"(SET|GET)","([\d.]+)"/gm)) {
      const expected = flags.length === 0 ? ranges[command] : undefined
      measured.push({
        what: `Redis ${command}, ${name}`,
        perSecond: Number(rate),
        ...(expected && { expected }),
      })
    }
  }
  return measured
}

/** Standard output of a command, or undefined where it is not installed. */
async function run(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], signal })
  let [output, errors] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  try {
    const [code] = await once(child, 'close')
    if (code !== 0)
      throw new BenchError('INFRA_FAILED', `${command} ended with code ${code}: ${errors.trim()}`)
    return output
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
