import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SidePlan } from '../duet/plan.ts'
import { outputOf, toolSide } from '../duet/sides.ts'
import { BenchError } from '../errors.ts'
import type { Bench } from '../run/bench.ts'
import { pinned } from '../stack/placement.ts'

/** A tool starts afresh with each slice, which has to be long against its start. */
export const TOOL_SLICE_MS = 600

interface Statement {
  readonly text: string
  readonly values: readonly unknown[]
}

/**
 * `pgbench -M prepared` with the statements that the service sends: what Postgres gives to a client that does nothing with
 * the rows.
 *
 * @param statements one after the other are one "transaction" of pgbench
 * @param users parameter 1 of a single statement is a random id up to this number
 */
export function pgbenchSide(
  bench: Bench,
  {
    statements,
    users,
    connections,
  }: { statements: readonly Statement[]; users?: number; connections: number },
): SidePlan {
  const [name, label] = ['pgbench', 'pgbench -M prepared']
  const version = versionOf('pgbench')
  if (version === undefined) {
    const reason = 'pgbench is not installed (Debian, Ubuntu: postgresql-contrib; macOS: libpq)'
    return { kind: 'absent', name, label, reason }
  }
  const file = join(bench.folder, `pgbench-${statements.length}.sql`)
  writeFileSync(file, pgbenchScript(statements, users))
  let perSecond = 5000
  return {
    kind: 'tool',
    name,
    label,
    async open() {
      return toolSide(TOOL_SLICE_MS, async (durationMs) => {
        // A number of transactions rather than a time: pgbench counts the opening of its connections as a part of the time.
        const each = Math.max(20, Math.round((perSecond * durationMs) / 1000 / connections))
        const flags = ['-n', '-M', 'prepared', '-c', `${connections}`, '-t', `${each}`, '-f', file]
        const command = ['pgbench', ...flags, bench.stack.databaseUrl]
        const output = await outputOf(pinned(bench.placement.server, command), bench.signal)
        perSecond = rateIn(output, /tps = ([\d.]+) \(without/)
        return { answered: each * connections, seconds: (each * connections) / perSecond }
      })
    },
  }
}

/** @throws BenchError when the output of a tool contains no rate */
function rateIn(output: string, pattern: RegExp): number {
  const rate = Number(pattern.exec(output)?.[1])
  if (rate > 0) return rate
  throw new BenchError('TOOL_FAILED', `there is no rate in this output:\n${output}`)
}

/**
 * A script of pgbench. Its parser takes every `:name` for a variable, also within a string such as `'HH24:MI'`, so colons in
 * strings are written as escapes. Its variables are numbers, so other values are written into the statement.
 */
export function pgbenchScript(statements: readonly Statement[], users?: number): string {
  return statements
    .flatMap(({ text, values }, s) => {
      const given = values.flatMap((value, i) => {
        if (users !== undefined && i === 0) return `\\set p${s}_1 random(1, ${users})`
        return typeof value === 'number' ? `\\set p${s}_${i + 1} ${value}` : []
      })
      const operandOf = (_: string, number: string) => {
        const value = values[Number(number) - 1]
        return typeof value === 'string' ? stringOf(value) : `:p${s}_${number}`
      }
      const named = text.replaceAll(STRING, escapeColons).replaceAll(/\$(\d+)/g, operandOf)
      return [...given, `${named.replaceAll('\n', ' ')};`]
    })
    .map((line) => `${line}\n`)
    .join('')
}

/** A string of SQL, with its quotes and the `E` of one with escapes. */
const STRING = /(E?)'((?:[^']|'')*)'/g

function escapeColons(literal: string, escapes: string, content: string): string {
  if (!content.includes(':')) return literal
  const escaped = escapes === '' ? content.replaceAll('\\', '\\\\') : content
  return `E'${escaped.replaceAll(':', '\\x3A')}'`
}

function stringOf(value: string): string {
  const content = value.replaceAll("'", "''")
  return escapeColons(`'${content}'`, '', content)
}

/** `redis-benchmark GET` of a value with the bytes of a cached user. */
export function redisBenchmarkSide(bench: Bench, connections: number): SidePlan {
  const [name, label] = ['redis-benchmark', 'redis-benchmark GET']
  const { redis, redisUrl } = bench.stack
  const version = versionOf('redis-benchmark')
  if (redis === undefined || redisUrl === undefined || version === undefined) {
    const reason = 'redis-benchmark is not installed (Debian, Ubuntu: redis-tools; macOS: redis)'
    return { kind: 'absent', name, label, reason }
  }
  const key = 'bench-floor'
  let perSecond = 20_000
  return {
    kind: 'tool',
    name,
    label,
    async open() {
      await redis.set(key, await cachedUser(redis))
      return toolSide(TOOL_SLICE_MS, async (durationMs) => {
        const count = Math.max(1000, Math.round((perSecond * durationMs) / 1000))
        const flags = ['-p', new URL(redisUrl).port, '-c', `${connections}`, '-n', `${count}`, '--csv']
        const command = ['redis-benchmark', ...flags, 'GET', key]
        const output = await outputOf(pinned(bench.placement.server, command), bench.signal)
        perSecond = rateIn(output, /^"GET[^"]*","([\d.]+)"/m)
        return { answered: count, seconds: count / perSecond }
      })
    },
  }
}

/** The version of a tool; undefined where it is not installed. */
export function versionOf(tool: string): string | undefined {
  const { status, stdout } = spawnSync(tool, ['--version'], { encoding: 'utf8' })
  return status === 0 ? stdout.trim().split('\n')[0] : undefined
}

/** The bytes of any user that the service has cached. */
async function cachedUser(redis: NonNullable<Bench['stack']['redis']>): Promise<Buffer> {
  let cursor = '0'
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', '*user:*{*}', 'COUNT', 1000)
    for (const key of keys) {
      if ((await redis.type(key)) !== 'string') continue
      const value = await redis.getBuffer(key)
      if (value?.includes('"email"')) return value
    }
    cursor = next
  } while (cursor !== '0')
  // The size of a user of the seed.
  return Buffer.alloc(130, 'x')
}
