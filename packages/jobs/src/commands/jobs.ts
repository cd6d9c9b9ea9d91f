import { parseArgs } from 'node:util'
import {
  argumentsOf,
  exitCodes,
  runCommand,
  SettingsError,
  sentenceOf,
  table,
  UsageError,
} from '@reference/command'
import { readSettings } from '@reference/config'
import { JobsUnavailableError } from '../errors.ts'
import type { Jobs, ListOptions } from '../jobs.ts'
import type { JobState } from '../status.ts'
import type { DeadLetterRef } from '../store.ts'

const help = `jobs - looks at durable jobs, sends them again, cancels them

  pnpm jobs list [--queue NAME] [--state STATE] [--limit 50] [--json]          the newest first
  pnpm jobs list --dead [--queue NAME] [--limit 50] [--json]
  pnpm jobs retry ID...                    failed and cancelled jobs, and dead letters, run again under their id
  pnpm jobs retry --dead [--queue NAME]    every dead letter; one alone: retry ID
  pnpm jobs cancel ID...                   what has not ended; a running handler gets its signal within about 2 s

STATE is queued, active, retrying, completed, failed or cancelled. --dead is for the dead letters: jobs that failed for
good, kept for 30 days. Each id has a line that says what became of it, and a fault with one does not stop the others.

The database is that of DATABASE_URL; DATABASE_URL_FILE names a file that holds it.
Exit code 0, or 1 when it failed for an id, or the queue or the database is not there, 64 for wrong arguments, 78 for
wrong settings.
`

const commands = ['list', 'retry', 'cancel'] as const
const states: readonly string[] = ['queued', 'active', 'retrying', 'completed', 'failed', 'cancelled']

await runCommand(help, async () => {
  const call = read()
  if (call === 'help') {
    process.stdout.write(help)
    return 0
  }
  const { DATABASE_URL: databaseUrl } = readSettings(['DATABASE_URL'])
  if (databaseUrl === undefined) throw new SettingsError('DATABASE_URL must be set')

  // Here, since it takes a second on a busy machine, and a wrong call needs none of it.
  const { createJobs } = await import('../jobs.ts')
  const jobs = createJobs({
    databaseUrl,
    applicationName: 'jobs-command',
    definitions: [],
    supervise: false,
    poolMax: 1,
  })
  try {
    await jobs.ready().catch(explain)
    if (call.command === 'list') return await list(jobs, call.list, call.json)
    if (call.command === 'cancel') return report(await each(call.ids, (id) => cancel(jobs, id)))
    if (!call.dead) return report(await each(call.ids, (id) => retry(jobs, id)))
    return await retryDead(jobs, call.list.queue)
  } finally {
    await jobs.close()
  }
})

function read() {
  const { values, positionals } = parseArgs({
    args: argumentsOf(),
    allowPositionals: true,
    options: {
      queue: { type: 'string' },
      state: { type: 'string' },
      limit: { type: 'string' },
      dead: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return 'help'
  const [name, ...ids] = positionals
  const command = commands.find((each) => each === name)
  if (command === undefined) {
    const fault = name === undefined ? 'There is no command' : `Unknown command ${name}`
    throw new UsageError(`${fault}: list, retry or cancel.`)
  }
  const { queue, state, limit, dead = false, json = false } = values

  // An option that would have no effect is a misunderstanding: `retry ID --dead` must not send all of them.
  const call = dead ? `${command} --dead` : command
  const effective: Record<string, string[]> = {
    list: ['queue', 'state', 'limit', 'json'],
    'list --dead': ['dead', 'queue', 'limit', 'json'],
    'retry --dead': ['dead', 'queue'],
  }
  const without = Object.keys(values).find((option) => !effective[call]?.includes(option))
  if (without !== undefined)
    throw new UsageError(`${command} takes no --${without}${dead ? ' with --dead' : ''}.`)
  if (ids.length > 0 && (dead || command === 'list')) {
    throw new UsageError(`${call} takes no ids${command === 'retry' ? ': retry ID sends one again' : ''}.`)
  }
  if (ids.length === 0 && !dead && command !== 'list')
    throw new UsageError(`${command} needs at least one id.`)
  if (state !== undefined && !states.includes(state))
    throw new UsageError(`--state is one of ${states.join(', ')}.`)
  const most = Number(limit ?? 50)
  if (!Number.isInteger(most) || most < 1 || most > 100_000)
    throw new UsageError('--limit is from 1 to 100000.')

  const list: ListOptions = { limit: most, deadLetters: dead }
  if (queue !== undefined) list.queue = queue
  if (state !== undefined) list.state = state as JobState
  return { command, ids, dead, json, list }
}

async function list(jobs: Jobs, options: ListOptions, json: boolean): Promise<number> {
  const found = await jobs.list(options)
  if (json) process.stdout.write(`${JSON.stringify(found, null, 2)}\n`)
  else if (found.length === 0) process.stdout.write(options.deadLetters ? 'No dead letters.\n' : 'No jobs.\n')
  else {
    process.stdout.write(
      table(
        ['id', 'created', 'queue', 'state', 'progress', 'attempts', 'error'],
        found.map(({ id, createdAt, queue, state, progress, attempts, error }) => [
          ...[id, createdAt.toISOString(), queue, state, `${progress} %`, attempts],
          error?.replaceAll(/\s+/g, ' ') ?? '–',
        ]),
      ),
    )
  }
  if (found.length === options.limit) process.stderr.write(`The newest ${found.length}; more with --limit.\n`)
  return 0
}

function explain(error: unknown): never {
  const { cause } = error as { cause?: unknown }
  const migrated = !(cause instanceof Error && cause.message.includes('not installed'))
  throw migrated ? error : new Error('The job queue has no tables yet: pnpm db:migrate makes them.')
}

type Outcome = { done: boolean; text: string }
type Tally = { done: number; failed: number }

async function cancel(jobs: Jobs, id: string): Promise<Outcome> {
  const job = await jobs.cancel(id)
  if (job === undefined) return { done: false, text: 'unknown' }
  const done = job.state === 'cancelled'
  return { done, text: done ? job.state : `not cancelled: ${job.state}` }
}

async function retry(jobs: Jobs, which: string | DeadLetterRef): Promise<Outcome> {
  const job = await jobs.retry(which)
  if (job === undefined) return { done: false, text: 'unknown' }
  return { done: job.changed, text: job.changed ? job.state : `not sent again: ${job.state}` }
}

async function retryDead(jobs: Jobs, queue: string | undefined): Promise<number> {
  const letters = new Map((await jobs.deadLetters(queue)).map((letter) => [letter.id, letter]))
  const tally = await each([...letters.keys()], (id) => retry(jobs, letters.get(id) ?? id))
  const { done, failed } = tally
  if (done + failed === 0) process.stdout.write('No dead letters.\n')
  else process.stdout.write(`${done} of ${done + failed} dead letters sent again.\n`)
  return report(tally)
}

/** One after the other, each with a line. Only a database that is away ends it: every other id would wait for it in vain. */
async function each(ids: string[], act: (id: string) => Promise<Outcome>): Promise<Tally> {
  const tally: Tally = { done: 0, failed: 0 }
  let away = false
  for (const id of new Set(ids)) {
    const { done, text } = away ? { done: false, text: 'not tried' } : await act(id).catch(faultOf)
    tally[done ? 'done' : 'failed']++
    process.stdout.write(`${id}  ${text}\n`)
  }
  return tally

  function faultOf(error: unknown): Outcome {
    away = error instanceof JobsUnavailableError
    return { done: false, text: `error: ${sentenceOf(error)}` }
  }
}

function report({ failed }: Tally): number {
  return failed === 0 ? 0 : exitCodes.failed
}
