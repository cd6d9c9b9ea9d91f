import {
  action,
  excerpt,
  flag,
  formatPercent,
  formatTable,
  integer,
  oneOf,
  runCommand,
  SettingsError,
} from '@reference/cli'
import { readSettings } from '@reference/config'

const DETAILS = `
From performance_schema.events_statements_summary_by_digest, of the database in MYSQL_URL (of all without one), since the
server's start. total is the time of all calls, examined the rows read, "no index" the share of calls that used none. The
slow log has single statements: docker compose exec mysql mysqldumpslow -s t /var/lib/mysql/slow.log

Of MYSQL_URL, or MYSQL_URL_FILE; the user needs SELECT on performance_schema.
Exit code 0, 1 when it failed, 64 for wrong arguments, 78 for wrong settings.
`

const CONNECT_TIMEOUT_MS = 10_000

const COLUMNS = {
  total: 'SUM_TIMER_WAIT',
  mean: 'AVG_TIMER_WAIT',
  max: 'MAX_TIMER_WAIT',
  calls: 'COUNT_STAR',
  examined: 'SUM_ROWS_EXAMINED',
} as const
const ORDERS = Object.keys(COLUMNS) as (keyof typeof COLUMNS)[]

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

export const mysqlSlowCommand = action({
  summary: 'List the statements that cost MySQL most.',
  options: {
    by: oneOf(ORDERS, { help: 'order', fallback: 'total' }),
    limit: integer({ help: 'statements', minimum: 1, maximum: 9999, fallback: 20 }),
    json: flag({ help: 'for programs' }),
  },
  details: DETAILS,
  async run({ by, limit, json }) {
    const { MYSQL_URL: url } = readSettings(['MYSQL_URL'])
    if (url === undefined) throw new SettingsError('MYSQL_URL must be set')
    const digests = await readDigests(url, COLUMNS[by], limit)
    process.stdout.write(json ? `${JSON.stringify(digests, null, 2)}\n` : overview(digests))
    return 0
  },
})

if (import.meta.main) await runCommand('pnpm ops mysql slow', mysqlSlowCommand)

async function readDigests(url: string, by: string, limit: number): Promise<Digest[]> {
  const { createConnection } = await import('mysql2/promise')
  const connection = await createConnection({
    uri: url,
    connectTimeout: CONNECT_TIMEOUT_MS,
    decimalNumbers: true,
  })
  try {
    const [enabled] = await connection.query<never[]>('SELECT @@performance_schema AS enabled')
    if ((enabled[0] as { enabled: number } | undefined)?.enabled !== 1) {
      throw new Error('performance_schema is off: set performance_schema = ON in my.cnf and restart MySQL')
    }
    const [rows] = await connection.query(
      // Times are picoseconds.
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
  if (digests.length === 0) return 'No statement has been counted yet\n'
  return formatTable(
    ['total ms', 'calls', 'mean ms', 'max ms', 'rows', 'examined', 'no index', 'statement'],
    digests.map((digest) => [
      digest.totalMs.toFixed(1),
      digest.calls,
      digest.meanMs.toFixed(3),
      digest.maxMs.toFixed(2),
      digest.rows,
      digest.examined,
      formatPercent(digest.withoutIndex, digest.calls),
      excerpt(digest.query ?? '(statements beyond performance_schema_digests_size)'),
    ]),
  )
}
