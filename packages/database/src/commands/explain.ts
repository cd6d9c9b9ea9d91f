import { parseArgs } from 'node:util'
import { argumentsOf, exitCodes, runCommand, table, UsageError } from '@reference/command'
import { type Explained, explain } from '../explain.ts'
import { bigFromRows } from '../plan.ts'
import { samples } from '../samples.ts'
import { directUrl } from './direct-url.ts'

const help = `db:explain - how Postgres runs the services' own statements

  pnpm db:explain [NAME …] [--plan] [--json] [--help]

  NAME     statements by name; all of them unless given
  --plan   the whole plan of each, as EXPLAIN (ANALYZE, BUFFERS) prints it
  --json   for programs

Each statement is prepared as the services prepare it, and explained with the plan that it settles on. It fails for a hot
statement that reads a table of ${bigFromRows} rows or more from one end to the other, that looks at far more rows than it
returns, or that no index would serve if its table grew; and for a foreign key without an index. Everything happens in
transactions that are rolled back; inserts are planned, not run.

Connects to DATABASE_DIRECT_URL (past PgBouncer), else DATABASE_URL; migrated and seeded (db:migrate, db:seed).
Exit code 0, or 1 when a statement fails or the database cannot be asked, 64 for wrong arguments, 78 without a URL.
`

await runCommand(help, async () => {
  const { help: wantsHelp, plan, json, only } = readArguments()
  if (wantsHelp) {
    process.stdout.write(help)
    return 0
  }
  const url = directUrl()
  try {
    const { queries, tables, keys } = await explain({ url, only })
    const big = [...tables].filter(([, rows]) => rows >= bigFromRows)
    if (json) process.stdout.write(`${JSON.stringify({ queries, keys }, null, 2)}\n`)
    else process.stdout.write(plan ? queries.map(planText).join('\n') : overview(queries))
    if (!json && big.length === 0) {
      process.stdout.write(`No table has ${bigFromRows} rows yet, so little is shown by this: pnpm db:seed\n`)
    }
    const faults = [
      ...queries.flatMap(({ query, faults }) => faults.map((fault) => `${query} ${fault}`)),
      ...keys,
    ]
    for (const fault of faults) process.stderr.write(`FAIL ${fault}\n`)
    return faults.length === 0 ? 0 : exitCodes.failed
  } catch (error) {
    throw new Error('Not explained', { cause: error })
  }
})

function readArguments() {
  const { values, positionals } = parseArgs({
    args: argumentsOf(),
    allowPositionals: true,
    options: {
      plan: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const known = samples.map(({ statement }) => statement.name)
  const unknown = positionals.filter((name) => !known.includes(name))
  if (unknown.length > 0) {
    throw new UsageError(`No statement ${unknown.join(', ')}; there are ${known.join(', ')}`)
  }
  return { ...values, only: positionals.length > 0 ? positionals : undefined }
}

function overview(queries: Explained[]): string {
  return table(
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
