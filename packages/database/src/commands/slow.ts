import { parseArgs } from 'node:util'
import { argumentsOf, excerpt, percent, runCommand, table, UsageError } from '@reference/command'
import { resetStatements, type SlowOrder, type SlowStatement, slowOrders, slowStatements } from '../slow.ts'
import { directUrl } from './direct-url.ts'

const help = `db:slow - the statements that cost Postgres most

  pnpm db:slow [--by ${Object.keys(slowOrders).join('|')}] [--limit N] [--json] [--reset] [--help]

  --by       total (time over all calls), mean, max, calls, or read (pages from outside of shared buffers); total
  --limit    so many; 20
  --json     for programs, with whole texts
  --reset    begins the counting anew, for this database; needs a superuser

From pg_stat_statements, of this database, since the last reset or start of the statistics. "hit" is the share of pages
found in shared buffers. MySQL and MongoDB: pnpm mysql:slow, pnpm mongodb:slow.

Connects to DATABASE_DIRECT_URL (past PgBouncer), else DATABASE_URL.
Exit code 0, or 1 when it failed or pg_stat_statements is not there, 64 for wrong arguments, 78 without a URL.
`

await runCommand(help, async () => {
  const { help: wantsHelp, by, limit, json, reset } = readArguments()
  if (wantsHelp) {
    process.stdout.write(help)
    return 0
  }
  const url = directUrl()
  try {
    if (reset) {
      await resetStatements({ url })
      process.stdout.write('Counted anew from here\n')
    } else {
      const statements = await slowStatements({ url, by, limit })
      process.stdout.write(json ? `${JSON.stringify(statements, null, 2)}\n` : overview(statements))
    }
    return 0
  } catch (error) {
    throw new Error('No statistics', { cause: error })
  }
})

function readArguments() {
  const { values } = parseArgs({
    args: argumentsOf(),
    options: {
      by: { type: 'string', default: 'total' },
      limit: { type: 'string', default: '20' },
      json: { type: 'boolean', default: false },
      reset: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const by = values.by as SlowOrder
  if (!(by in slowOrders)) throw new UsageError(`--by is one of ${Object.keys(slowOrders).join(', ')}`)
  const limit = Number(values.limit)
  if (!Number.isInteger(limit) || limit < 1 || limit > 5000) throw new UsageError('--limit is from 1 to 5000')
  return { ...values, by, limit }
}

function overview(statements: SlowStatement[]): string {
  if (statements.length === 0) return 'No statement was counted yet\n'
  const shareOf = (share: number | null) => (share === null ? '–' : percent(share, 1))
  return table(
    ['total ms', 'share', 'calls', 'mean ms', 'max ms', 'rows', 'hit', 'statement'],
    statements.map(({ query, calls, totalMs, meanMs, maxMs, rows, hitRatio, share }) => [
      totalMs.toFixed(1),
      shareOf(share),
      calls,
      meanMs.toFixed(3),
      maxMs.toFixed(2),
      rows,
      shareOf(hitRatio),
      excerpt(query),
    ]),
  )
}
