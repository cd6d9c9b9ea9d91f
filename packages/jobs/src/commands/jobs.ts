import {
  action,
  describeError,
  EXIT_CODES,
  flag,
  formatTable,
  type Group,
  integer,
  oneOf,
  runCommand,
  SettingsError,
  text,
  UsageError,
  withDevelopmentStack,
} from '@reference/cli'
import { readSettings } from '@reference/config'
import { codeOf } from '../errors.ts'
import type { ListOptions } from '../inspect.ts'
import type { Jobs } from '../jobs.ts'
import type { DeadLetterRef } from '../store.ts'

const DETAILS = `
Dead letters are jobs that failed for good; they are kept for 30 days. retry and cancel print a line for each id, and an
error with one id does not stop the others.

The database is that of DATABASE_URL; DATABASE_URL_FILE names a file that holds it. Without either it is that of the pnpm dev,
pnpm start or pnpm stack that runs in this clone.
Exit code 0, 1 when the command failed for an id or the database does not answer, 64 for wrong arguments, 78 for wrong
settings.
`

const STATES = ['queued', 'active', 'retrying', 'completed', 'failed', 'cancelled'] as const

const queue = text({ help: 'jobs of one queue', placeholder: 'NAME' })

export const jobsCommand: Group = {
  summary: 'List durable jobs, retry them, cancel them.',
  details: DETAILS,
  commands: {
    list: action({
      summary: 'List jobs, the newest first.',
      options: {
        queue,
        state: oneOf(STATES, { help: 'jobs in one state' }),
        dead: flag({ help: 'dead letters' }),
        limit: integer({ help: 'jobs', minimum: 1, maximum: 100_000, fallback: 50 }),
        json: flag({ help: 'for programs' }),
      },
      run({ queue, state, dead, limit, json }) {
        if (dead && state !== undefined) throw new UsageError('list takes no --state with --dead')
        return withJobs((jobs) =>
          list(jobs, { limit, deadLetters: dead, ...(queue && { queue }), ...(state && { state }) }, json),
        )
      },
    }),
    retry: action({
      summary: 'Run failed and cancelled jobs and dead letters again under their id.',
      positionals: { placeholder: 'ID…', help: 'jobs; none with --dead' },
      options: { dead: flag({ help: 'every dead letter' }), queue },
      run({ dead, queue }, ids) {
        // An option without an effect is a misunderstanding: `retry ID --dead` must not retry every dead letter.
        if (dead && ids.length > 0) throw new UsageError('retry --dead takes no ids: retry ID retries one')
        if (!dead && queue !== undefined) throw new UsageError('retry takes --queue only with --dead')
        if (!dead && ids.length === 0) throw new UsageError('An argument is missing: ID… or --dead')
        return withJobs(async (jobs) =>
          dead ? retryDead(jobs, queue) : exitCodeOf(await forEachId(ids, (id) => retry(jobs, id))),
        )
      },
    }),
    cancel: action({
      summary: 'Cancel jobs that have not ended; a running handler gets its signal within about 2 s.',
      positionals: { placeholder: 'ID…', help: 'jobs', minimum: 1 },
      run: (_, ids) => withJobs(async (jobs) => exitCodeOf(await forEachId(ids, (id) => cancel(jobs, id)))),
    }),
  },
}

if (import.meta.main) await runCommand('pnpm ops jobs', jobsCommand)

async function withJobs(use: (jobs: Jobs) => Promise<number>): Promise<number> {
  const { DATABASE_URL: databaseUrl } = readSettings(['DATABASE_URL'], withDevelopmentStack())
  if (databaseUrl === undefined) {
    throw new SettingsError('DATABASE_URL must be set, or pnpm dev or pnpm stack run in this clone')
  }
  // Loaded late: pg-boss takes a second to load on a busy machine, and wrong arguments do not need it.
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
    return await use(jobs)
  } finally {
    await jobs.close()
  }
}

async function list(jobs: Jobs, options: ListOptions, json: boolean): Promise<number> {
  const found = await jobs.list(options)
  if (json) process.stdout.write(`${JSON.stringify(found, null, 2)}\n`)
  else if (found.length === 0) process.stdout.write(options.deadLetters ? 'No dead letters.\n' : 'No jobs.\n')
  else {
    process.stdout.write(
      formatTable(
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

interface Outcome {
  done: boolean
  text: string
}

interface Tally {
  done: number
  failed: number
}

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
  const tally = await forEachId([...letters.keys()], (id) => retry(jobs, letters.get(id) ?? id))
  const { done, failed } = tally
  if (done + failed === 0) process.stdout.write('No dead letters.\n')
  else process.stdout.write(`${done} of ${done + failed} dead letters sent again.\n`)
  return exitCodeOf(tally)
}

/** Acts on one id after the other and prints a line for each. Stops when the database does not answer: every other id would wait for it in vain. */
async function forEachId(ids: readonly string[], act: (id: string) => Promise<Outcome>): Promise<Tally> {
  const tally: Tally = { done: 0, failed: 0 }
  let isUnavailable = false
  for (const id of new Set(ids)) {
    const { done, text } = isUnavailable ? { done: false, text: 'not tried' } : await act(id).catch(failureOf)
    tally[done ? 'done' : 'failed']++
    process.stdout.write(`${id}  ${text}\n`)
  }
  return tally

  function failureOf(error: unknown): Outcome {
    isUnavailable = codeOf(error) === 'JOBS_UNAVAILABLE'
    return { done: false, text: `error: ${describeError(error)}` }
  }
}

function exitCodeOf({ failed }: Tally): number {
  return failed === 0 ? EXIT_CODES.OK : EXIT_CODES.FAILED
}
