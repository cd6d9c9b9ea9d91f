import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { startStack } from '@reference/local-stack'
import type { Arguments } from './arguments.ts'
import { BenchError } from './errors.ts'
import { createProgress } from './progress.ts'

/**
 * `bench infra`: the guide's pgbench and redis-benchmark runs against the stack, its expected ranges beside. Those are
 * of one laptop and closed loop: what they are good for is to see that a server is not badly set up.
 */
export async function infra(_args: Arguments, signal: AbortSignal): Promise<number> {
  const progress = createProgress()
  progress.step('starting Postgres and Redis')
  const stack = await startStack({ say: progress.note })
  const lines: string[] = []
  try {
    lines.push(...(await postgres(stack.superuserUrl, progress.step, signal)))
    lines.push(...(await redis(stack.redisUrl, progress.step, signal)))
  } finally {
    progress.done()
    await stack.stop()
  }
  const head = `  ${'what'.padEnd(34)}${'here'.padStart(12)}  the guide expects\n`
  process.stdout.write(`${head}${lines.map((line) => `  ${line}\n`).join('')}`)
  return 0
}

async function postgres(url: string, step: (text: string) => void, signal: AbortSignal): Promise<string[]> {
  const missing =
    'pgbench is not installed (Debian, Ubuntu: apt-get install postgresql-contrib; macOS: brew install libpq)'
  step('pgbench: filling, scale 10')
  if ((await run('pgbench', ['-i', '-q', '-s', '10', url], signal)) === undefined) return [missing]
  const tests = [
    { name: 'read-write (TPC-B)', flags: [], expected: '2,000–3,000 tps' },
    { name: 'read only', flags: ['-S'], expected: '–' },
    { name: 'read only, prepared', flags: ['-S', '-M', 'prepared'], expected: '–' },
  ]
  const lines: string[] = []
  for (const { name, flags, expected } of tests) {
    step(`pgbench: ${name}`)
    const threads = String(Math.min(2, cpus().length))
    const output = await run('pgbench', ['-c', '10', '-j', threads, '-T', '8', ...flags, url], signal)
    const tps = Number(/tps = ([\d.]+)/.exec(output ?? '')?.[1])
    lines.push(row(`Postgres, ${name}`, `${Math.round(tps).toLocaleString('en')} tps`, expected))
  }
  return lines
}

async function redis(
  url: string | undefined,
  step: (text: string) => void,
  signal: AbortSignal,
): Promise<string[]> {
  if (url === undefined) return ['no Redis on this machine']
  const port = new URL(url).port
  const tests = [
    { name: 'one command a time', flags: [] },
    { name: 'pipelines of 16', flags: ['-P', '16'] },
  ]
  const lines: string[] = []
  for (const { name, flags } of tests) {
    step(`redis-benchmark: ${name}`)
    const output = await run(
      'redis-benchmark',
      ['-p', port, '-t', 'set,get', '-n', '100000', '--csv', ...flags],
      signal,
    )
    if (output === undefined) return ['redis-benchmark is not installed (it comes with redis-tools)']
    for (const [, command = '', rate] of output.matchAll(/^"(SET|GET)","([\d.]+)"/gm)) {
      const expected = flags.length > 0 ? '–' : command === 'SET' ? '50,000–80,000' : '60,000–100,000'
      lines.push(
        row(`Redis ${command}, ${name}`, `${Math.round(Number(rate)).toLocaleString('en')}/s`, expected),
      )
    }
  }
  return lines
}

function row(what: string, here: string, expected: string): string {
  return `${what.padEnd(34)}${here.padStart(12)}  ${expected}`
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
