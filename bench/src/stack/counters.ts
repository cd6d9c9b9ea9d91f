import { type BenchStack, databaseName } from './stack.ts'

/** Counters of the databases, as the databases keep them. */
export interface Counters {
  readonly statements: ReadonlyMap<string, { readonly calls: number; readonly plans: number }>
  readonly commands: ReadonlyMap<string, number>
  readonly redisBytes: number
  readonly redisReads: number
}

/** Reads the counters of Postgres (of the database at `databaseUrl`) and Redis. */
export async function readCounters(stack: BenchStack, databaseUrl: string): Promise<Counters> {
  const [rows, [stats, commandStats]] = await Promise.all([
    stack.admin<{ query: string; calls: number; plans: number }[]>`
      SELECT query, sum(calls)::float8 AS calls, sum(plans)::float8 AS plans
      FROM pg_stat_statements JOIN pg_database ON pg_database.oid = dbid
      WHERE datname = ${databaseName(databaseUrl)} AND toplevel GROUP BY query`,
    readRedis(stack),
  ])
  return {
    statements: new Map(rows.map(({ query, calls, plans }) => [query, { calls, plans }])),
    commands: parseCommandStats(commandStats),
    redisBytes: infoNumber(stats, 'total_net_input_bytes') + infoNumber(stats, 'total_net_output_bytes'),
    redisReads: infoNumber(stats, 'total_reads_processed'),
  }
}

async function readRedis({ redis }: BenchStack): Promise<[string, string]> {
  if (redis === undefined) return ['', '']
  return Promise.all([redis.info('stats'), redis.info('commandstats')])
}

/** `cmdstat_get:calls=12,…` → get → 12 */
export function parseCommandStats(text: string): Map<string, number> {
  const entries = [...text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
  return new Map(entries.map(([, name = '', calls = '0']) => [name, Number(calls)]))
}

function infoNumber(text: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1] ?? 0)
}

/** Database work of one request. */
export interface DatabaseCosts {
  /** Sum of the counts by text, each rounded to a whole number a request. */
  readonly statements: number
  readonly commands: number
  /** By text (whitespace folded) and by name, without background work. */
  readonly statementsByText: Readonly<Record<string, number>>
  readonly commandsByName: Readonly<Record<string, number>>
  /** Bytes between service and Redis, heartbeats included. */
  readonly redisBytes: number
}

/**
 * Commands of connections and of this benchmark, which no request causes. The cache probes each Redis with a SET, a DEL and
 * a TIME, and nothing else sends TIME.
 */
const MAINTENANCE_COMMANDS = new Set([
  'time',
  'ping',
  'info',
  'client|tracking',
  'client|id',
  'config|get',
  'hello',
  'subscribe',
  'flushall',
])

/**
 * The difference of two readings, per request.
 *
 * Background work (polls of queues and outboxes, heartbeats) runs a few times in the interval, not once a request.
 * Rounding the count of each statement to a whole number a request removes it and makes the sum exact.
 */
export function costsBetween(before: Counters, after: Counters, requests: number): DatabaseCosts {
  const statementsByText: Record<string, number> = {}
  for (const [text, now] of after.statements) {
    const then = before.statements.get(text) ?? { calls: 0 }
    const times = Math.round((now.calls - then.calls) / requests)
    if (times === 0) continue
    const folded = text.replaceAll(/\s+/g, ' ')
    statementsByText[folded] = (statementsByText[folded] ?? 0) + times
  }
  const commandsByName: Record<string, number> = {}
  for (const [name, difference] of commandsOfRequests(before, after)) {
    const times = Math.round(difference / requests)
    if (times > 0) commandsByName[name] = times
  }
  return {
    statements: sum(statementsByText),
    commands: sum(commandsByName),
    statementsByText,
    commandsByName,
    redisBytes: Math.round((after.redisBytes - before.redisBytes) / requests),
  }
}

function commandsOfRequests(before: Counters, after: Counters): [name: string, times: number][] {
  const difference = (name: string) => (after.commands.get(name) ?? 0) - (before.commands.get(name) ?? 0)
  const probes = difference('time')
  return [...after.commands.keys()]
    .filter((name) => !MAINTENANCE_COMMANDS.has(name))
    .map((name) => [name, difference(name) - (name === 'set' || name === 'del' ? probes : 0)])
}

/** All statements and commands of the interval per request, background work included. */
export function totalsBetween(before: Counters, after: Counters, requests: number) {
  const statements = [...after.statements].reduce(
    (total, [text, { calls }]) => total + calls - (before.statements.get(text)?.calls ?? 0),
    0,
  )
  const commands = commandsOfRequests(before, after).reduce((total, [, difference]) => total + difference, 0)
  return { statements: statements / requests, commands: commands / requests }
}

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
