import { action, EXIT_CODES, flag, formatTable, runCommand, UsageError } from '@reference/cli'
import { type Explained, explain } from '../explain.ts'
import { bigFromRows } from '../plan.ts'
import { samples } from '../samples.ts'
import { directUrl } from './direct-url.ts'

const DETAILS = `
Each statement is prepared as the services prepare it, and explained with the plan that Postgres settles on. The command
fails for a hot statement that reads all of a table of ${bigFromRows} rows or more, that reads far more rows than it returns,
or that has no index to use if its table grew; and for a foreign key without an index. It runs in transactions that are
rolled back; inserts are planned, not run.

Connects to DATABASE_DIRECT_URL (past PgBouncer), else DATABASE_URL; migrated and seeded (pnpm db:migrate, pnpm db:seed).
Exit code 0, 1 when a statement fails or the database does not answer, 64 for wrong arguments, 78 without a URL.
`

export const explainCommand = action({
  summary: "Show how Postgres runs the services' own statements; fail where an index is missing.",
  positionals: { placeholder: 'NAME…', help: 'statements by name (all)' },
  options: {
    plan: flag({ help: 'the whole plan of each, as EXPLAIN (ANALYZE, BUFFERS) prints it' }),
    json: flag({ help: 'for programs' }),
  },
  details: DETAILS,
  async run({ plan, json }, names) {
    const only = names.length > 0 ? knownStatements(names) : undefined
    const url = directUrl()
    const { queries, tables, keys } = await explain({ url, only }).catch((error: unknown) => {
      throw new Error('Not explained', { cause: error })
    })
    if (json) process.stdout.write(`${JSON.stringify({ queries, keys }, null, 2)}\n`)
    else process.stdout.write(plan ? queries.map(planText).join('\n') : overview(queries))
    const isBig = [...tables.values()].some((rows) => rows >= bigFromRows)
    if (!json && !isBig) {
      process.stdout.write(`No table has ${bigFromRows} rows yet, so the plans show little: pnpm db:seed\n`)
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

function knownStatements(names: readonly string[]): string[] {
  const known = samples.map(({ statement }) => statement.name)
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0) {
    throw new UsageError(`No statement ${unknown.join(', ')}; there are ${known.join(', ')}`)
  }
  return [...names]
}

function overview(queries: Explained[]): string {
  return formatTable(
    ['', 'statement', 'rows', 'looked at', 'pages', 'ms', 'by'],
    queries.map(({ query, whole, faults, accesses, milliseconds, buffers }) => [
      faults.length > 0 ? 'FAIL' : whole === undefined ? 'ok' : 'whole',
      query,
      sumOf(accesses.map(({ passed }) => passed)),
      sumOf(accesses.map(({ read }) => read)),
      milliseconds === undefined ? '–' : buffers.hit + buffers.read,
      milliseconds?.toFixed(2) ?? '–',
      whole ?? (accesses.map(({ table, how, index }) => `${how} ${index ?? table}`).join(', ') || '–'),
    ]),
  )
}

function sumOf(values: (number | undefined)[]): string | number {
  return values.includes(undefined)
    ? '–'
    : Math.round(values.reduce<number>((sum, each) => sum + (each ?? 0), 0))
}

function planText({ query, whole, text }: Explained): string {
  return `${query}${whole === undefined ? '' : ` (${whole})`}\n${text.replaceAll(/^/gm, '  ')}\n`
}
