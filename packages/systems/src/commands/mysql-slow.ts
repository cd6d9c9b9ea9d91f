import { parseArgs } from 'node:util'
import {
  argumentsOf,
  excerpt,
  percent,
  runCommand,
  SettingsError,
  table,
  UsageError,
} from '@reference/command'
import { readSettings } from '@reference/config'

const help = `mysql:slow - the statements that cost MySQL most

  pnpm mysql:slow [--by total|mean|max|calls|examined] [--limit N] [--json] [--help]

  --by       total (time over all calls), mean, max, calls, or examined (rows read); total
  --limit    so many; 20

From performance_schema.events_statements_summary_by_digest, of the database in MYSQL_URL (of all without one), since the
server's start. "no index" is the share of calls that found none to use. The slow log has single statements:
  docker compose exec mysql mysqldumpslow -s t /var/lib/mysql/slow.log

Of MYSQL_URL, or MYSQL_URL_FILE; the user needs SELECT on performance_schema.
Exit code 0, or 1 when it failed, 64 for wrong arguments, 78 for wrong settings.
`

/** Times are picoseconds. */
const orders = {
  total: 'SUM_TIMER_WAIT',
  mean: 'AVG_TIMER_WAIT',
  max: 'MAX_TIMER_WAIT',
  calls: 'COUNT_STAR',
  examined: 'SUM_ROWS_EXAMINED',
} as const

interface Digest {
  query: string | null
  calls: number
  totalMs: number
  meanMs: number
  maxMs: number
  rows: number
  examined: number
  withoutIndex: number
}

await runCommand(help, async () => {
  const { values } = parseArgs({
    args: argumentsOf(),
    options: {
      by: { type: 'string', default: 'total' },
      limit: { type: 'string', default: '20' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(help)
    return 0
  }
  if (!(values.by in orders)) throw new UsageError(`--by is one of ${Object.keys(orders).join(', ')}`)
  if (!/^[1-9]\d{0,3}$/.test(values.limit)) throw new UsageError('--limit is from 1 to 9999')
  const { MYSQL_URL: url } = readSettings(['MYSQL_URL'])
  if (url === undefined) throw new SettingsError('MYSQL_URL must be set')

  const digests = await ask(url, orders[values.by as keyof typeof orders], Number(values.limit))
  process.stdout.write(values.json ? `${JSON.stringify(digests, null, 2)}\n` : overview(digests))
  return 0
})

async function ask(url: string, by: string, limit: number): Promise<Digest[]> {
  const { createConnection } = await import('mysql2/promise')
  const connection = await createConnection({ uri: url, connectTimeout: 10_000, decimalNumbers: true })
  try {
    const [enabled] = await connection.query<never[]>('SELECT @@performance_schema AS enabled')
    if ((enabled[0] as { enabled: number } | undefined)?.enabled !== 1) {
      throw new Error('performance_schema is off: performance_schema = ON in my.cnf, and a restart')
    }
    const [rows] = await connection.query(
      `SELECT DIGEST_TEXT AS query, COUNT_STAR AS calls, SUM_TIMER_WAIT / 1e9 AS totalMs, AVG_TIMER_WAIT / 1e9 AS meanMs,
         MAX_TIMER_WAIT / 1e9 AS maxMs, SUM_ROWS_SENT AS \`rows\`, SUM_ROWS_EXAMINED AS examined,
         SUM_NO_INDEX_USED AS withoutIndex
       FROM performance_schema.events_statements_summary_by_digest
       WHERE DATABASE() IS NULL OR SCHEMA_NAME = DATABASE()
       ORDER BY ${by} DESC LIMIT ${limit}`,
    )
    return rows as unknown as Digest[]
  } finally {
    connection.destroy()
  }
}

function overview(digests: Digest[]): string {
  if (digests.length === 0) return 'No statement was counted yet\n'
  return table(
    ['total ms', 'calls', 'mean ms', 'max ms', 'rows', 'examined', 'no index', 'statement'],
    digests.map((digest) => [
      digest.totalMs.toFixed(1),
      digest.calls,
      digest.meanMs.toFixed(3),
      digest.maxMs.toFixed(2),
      digest.rows,
      digest.examined,
      percent(digest.withoutIndex, digest.calls),
      excerpt(digest.query ?? '(more than the table has room for)'),
    ]),
  )
}
