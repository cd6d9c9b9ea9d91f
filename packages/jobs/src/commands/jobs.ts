import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createJobs, type Jobs, type ListOptions } from '../jobs.ts'
import type { JobState } from '../status.ts'

const HELP = `Looks at durable jobs, sends them again, cancels them.

  pnpm jobs list [--queue NAME] [--state STATE] [--dead] [--limit 50] [--json]
  pnpm jobs retry ID...            failed and cancelled jobs, and dead letters, run again under their id
  pnpm jobs retry --dead [--queue NAME]   every dead letter
  pnpm jobs cancel ID...           what is not finished; a running handler gets its signal within about 2 s

STATE is queued, active, retrying, completed, failed or cancelled. --dead lists the dead letters: jobs that failed for
good, kept for 30 days. The database is that of DATABASE_URL; DATABASE_URL_FILE names a file that holds it.
Exit code 0, or 1 when it failed or an id is unknown, 64 for wrong arguments, 78 without a URL.
`

/** Wrong arguments and missing settings, by the exit codes of sysexits.h. */
const EXIT_USAGE = 64
const EXIT_SETTINGS = 78

const STATES: readonly string[] = ['queued', 'active', 'retrying', 'completed', 'failed', 'cancelled']

process.exitCode = await main(process.argv.slice(2))

async function main(argv: string[]): Promise<number> {
  let input: ReturnType<typeof read>
  try {
    input = read(argv)
  } catch (error) {
    return complain(`${error instanceof Error ? error.message : error}\n\n${HELP}`.trimEnd(), EXIT_USAGE)
  }
  const { command, ids, options } = input
  if (options.help || command === undefined) {
    process.stdout.write(HELP)
    return options.help ? 0 : EXIT_USAGE
  }
  const databaseUrl = readDatabaseUrl()
  if (!databaseUrl) return complain('DATABASE_URL is not set.', EXIT_SETTINGS)

  const jobs = createJobs({
    databaseUrl,
    applicationName: 'jobs-command',
    definitions: [],
    supervise: false,
    poolMax: 1,
  })
  try {
    if (command === 'list') return await list(jobs, input.list, options.json)
    if (command === 'cancel') return await each(ids, (id) => jobs.cancel(id))
    const again = options.dead
      ? (await jobs.list({ ...input.list, deadLetters: true, limit: 100_000 })).map(({ id }) => id)
      : ids
    return await each(again, (id) => jobs.retry(id))
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? ` ${error.cause.message}` : ''
    return complain(`${error instanceof Error ? error.message : String(error)}${cause}`, 1)
  } finally {
    await jobs.close()
  }
}

function read(argv: string[]) {
  const { values, positionals } = parseArgs({
    args: argv.filter((argument) => argument !== '--'),
    allowPositionals: true,
    options: {
      queue: { type: 'string' },
      state: { type: 'string' },
      limit: { type: 'string', default: '50' },
      dead: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const [command, ...ids] = positionals
  if (command !== undefined && !['list', 'retry', 'cancel'].includes(command)) {
    throw new Error(`Unknown command ${command}: list, retry or cancel.`)
  }
  const limit = Number(values.limit)
  if (!Number.isInteger(limit) || limit < 1 || limit > 100_000) throw new Error('--limit is 1 to 100000.')
  if (values.state !== undefined && !STATES.includes(values.state)) {
    throw new Error(`--state is one of ${STATES.join(', ')}.`)
  }
  if (!values.help && ids.length === 0 && (command === 'cancel' || (command === 'retry' && !values.dead))) {
    throw new Error(`${command} needs at least one id.`)
  }
  const list: ListOptions = { limit, deadLetters: values.dead }
  if (values.queue !== undefined) list.queue = values.queue
  if (values.state !== undefined) list.state = values.state as JobState
  return { command, ids, options: values, list }
}

function readDatabaseUrl(): string | undefined {
  const { DATABASE_URL, DATABASE_URL_FILE } = process.env
  return DATABASE_URL_FILE ? readFileSync(DATABASE_URL_FILE, 'utf8').trim() : DATABASE_URL
}

async function list(jobs: Jobs, options: ListOptions, json: boolean): Promise<number> {
  const found = await jobs.list(options)
  if (json) {
    process.stdout.write(`${JSON.stringify(found, null, 2)}\n`)
    return 0
  }
  for (const { id, queue, state, progress, attempts, createdAt, error } of found) {
    const columns = [id, createdAt.toISOString(), queue, state.padEnd(9), `${progress} %`, `${attempts}×`]
    process.stdout.write(`${columns.join('  ')}${error === null ? '' : `  ${error}`}\n`)
  }
  if (found.length === 0) process.stdout.write('No jobs.\n')
  return 0
}

async function each(
  ids: string[],
  act: (id: string) => Promise<{ state: string } | undefined>,
): Promise<number> {
  let unknown = 0
  for (const id of ids) {
    const status = await act(id)
    if (!status) unknown++
    process.stdout.write(`${id}  ${status?.state ?? 'unknown'}\n`)
  }
  return unknown === 0 ? 0 : 1
}

function complain(message: string, exitCode: number): number {
  process.stderr.write(`${message}\n`)
  return exitCode
}
