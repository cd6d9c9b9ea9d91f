import { action, EXIT_CODES, flag, formatTable, runCommand, UsageError } from '@reference/cli'
import { BIG_TABLE_ROWS, type ExplainedStatement, explain } from '@reference/database'
import { directUrl } from '@reference/database/commands'
import { STATEMENTS } from '../statements.ts'

export const explainCommand = action({
  summary: "Show how Postgres runs the services' own statements; fail where an index is missing.",
  positionals: { placeholder: 'NAME…', help: 'statements by name; all of them unless given' },
  options: {
    plan: flag({ help: 'the whole plan of each, as EXPLAIN (ANALYZE, BUFFERS) prints it' }),
    json: flag({ help: 'for programs' }),
  },
  details: `Each statement is prepared as the services prepare it, and explained with the plan that it settles on. The command fails for a
statement that reads a whole table of ${BIG_TABLE_ROWS} rows or more without a reason, that looks at far more rows than it returns, or
that no index would serve if its table grew; and for a foreign key without an index. All of it runs in transactions that are rolled
back; inserts are planned, not run.

Connects to DATABASE_DIRECT_URL (past PgBouncer), else DATABASE_URL, migrated and seeded (pnpm db:migrate, pnpm db:seed).
Exit code 0, 1 when a statement fails or the database is unavailable, 64 for wrong arguments, 78 without a URL.`,
  async run({ plan, json }, names) {
    const statements = chosen(names)
    const url = directUrl()
    const { queries, tables, keys } = await explain({ url, statements }).catch((error: unknown) => {
      throw new Error('Not explained', { cause: error })
    })
    if (json) process.stdout.write(`${JSON.stringify({ queries, keys }, null, 2)}\n`)
    else process.stdout.write(plan ? queries.map(planText).join('\n') : overview(queries))
    const hasBigTable = [...tables.values()].some((rows) => rows >= BIG_TABLE_ROWS)
    if (!json && !hasBigTable) {
      process.stdout.write(`No table has ${BIG_TABLE_ROWS} rows yet, so this shows little: pnpm db:seed\n`)
    }
    const faults = [
      ...queries.flatMap(({ query, faults }) => faults.map((fault) => `${query} ${fault}`)),
      ...keys,
    ]
    for (const fault of faults) process.stderr.write(`FAIL ${fault}\n`)
    return faults.length === 0 ? EXIT_CODES.OK : EXIT_CODES.FAILED
  },
})

if (import.meta.main) await runCommand('pnpm ops postgres explain', explainCommand)

function chosen(names: readonly string[]) {
  const known = STATEMENTS.map(({ name }) => name)
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0) {
    throw new UsageError(`No statement ${unknown.join(', ')}; there are ${known.join(', ')}`)
  }
  return names.length === 0 ? STATEMENTS : STATEMENTS.filter(({ name }) => names.includes(name))
}

function overview(queries: readonly ExplainedStatement[]): string {
  return formatTable(
    ['', 'statement', 'rows', 'looked at', 'pages', 'ms', 'by'],
    queries.map(({ query, fullScanReason, faults, accesses, milliseconds, buffers }) => [
      faults.length > 0 ? 'FAIL' : fullScanReason === undefined ? 'ok' : 'whole',
      query,
      sumOf(accesses.map(({ passed }) => passed)),
      sumOf(accesses.map(({ read }) => read)),
      milliseconds === undefined ? '–' : buffers.hit + buffers.read,
      milliseconds?.toFixed(2) ?? '–',
      fullScanReason ??
        (accesses.map(({ table, how, index }) => `${how} ${index ?? table}`).join(', ') || '–'),
    ]),
  )
}

function sumOf(values: readonly (number | undefined)[]): string | number {
  return values.includes(undefined)
    ? '–'
    : Math.round(values.reduce<number>((sum, each) => sum + (each ?? 0), 0))
}

function planText({ query, fullScanReason, text }: ExplainedStatement): string {
  return `${query}${fullScanReason === undefined ? '' : ` (${fullScanReason})`}\n${text.replaceAll(/^/gm, '  ')}\n`
}
