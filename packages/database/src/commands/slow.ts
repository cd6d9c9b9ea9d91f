import { action, excerpt, flag, formatPercent, formatTable, integer, oneOf, runCommand } from '@reference/cli'
import {
  resetStatements,
  SLOW_ORDERS,
  type SlowOrder,
  type SlowStatement,
  slowStatements,
} from '../slow-statements.ts'
import { directUrl } from './direct-url.ts'

const ORDERS = Object.keys(SLOW_ORDERS) as SlowOrder[]

const DETAILS = `
From pg_stat_statements, of this database, since the last reset of the statistics. total is the time of all calls, read the
pages read from outside of shared buffers, "hit" the share of pages found in them.

Connects to DATABASE_DIRECT_URL (past PgBouncer), else DATABASE_URL.
Exit code 0, 1 when it failed or pg_stat_statements is missing, 64 for wrong arguments, 78 without a URL.
`

export const slowCommand = action({
  summary: 'List the statements that cost Postgres most.',
  options: {
    by: oneOf(ORDERS, { help: 'order', fallback: 'total' }),
    limit: integer({ help: 'statements', minimum: 1, maximum: 5000, fallback: 20 }),
    json: flag({ help: 'for programs, with whole statements' }),
    reset: flag({ help: 'reset the statistics of this database; needs a superuser' }),
  },
  details: DETAILS,
  async run({ by, limit, json, reset }) {
    const url = directUrl()
    try {
      if (reset) {
        await resetStatements({ url })
        process.stdout.write('The statistics are reset\n')
      } else {
        const statements = await slowStatements({ url, by, limit })
        process.stdout.write(json ? `${JSON.stringify(statements, null, 2)}\n` : overview(statements))
      }
      return 0
    } catch (error) {
      throw new Error('No statistics', { cause: error })
    }
  },
})

if (import.meta.main) await runCommand('pnpm ops postgres slow', slowCommand)

function overview(statements: SlowStatement[]): string {
  if (statements.length === 0) return 'No statement has been counted yet\n'
  const shareOf = (share: number | null) => (share === null ? '–' : formatPercent(share, 1))
  return formatTable(
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
