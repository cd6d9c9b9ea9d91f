import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { runCommand } from '@reference/cli'
import t, { type Test } from 'tap'
import { JobPermanentError } from '../errors.ts'
import { double, flaky } from '../testing/definitions.ts'
import { createHarness, inState, whenReady } from '../testing/harness.ts'
import { jobsCommand } from './jobs.ts'

const file = fileURLToPath(new URL('./jobs.ts', import.meta.url))

interface Ended {
  readonly code: unknown
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command in this process: a process of its own takes a second to load. */
async function command(t: Test, args: string[], databaseUrl = UNREACHABLE): Promise<Ended> {
  const outputs = [t.capture(process.stdout, 'write'), t.capture(process.stderr, 'write')] as const
  const { DATABASE_URL: before } = process.env
  process.env.DATABASE_URL = databaseUrl
  try {
    await runCommand('pnpm ops jobs', jobsCommand, args)
    const [stdout = '', stderr = ''] = outputs.map((output) =>
      output()
        .map((call) => call.args[0])
        .join(''),
    )
    return { code: process.exitCode, stdout, stderr }
  } finally {
    if (before === undefined) delete process.env.DATABASE_URL
    else process.env.DATABASE_URL = before
    process.exitCode = 0
    for (const output of outputs) output.restore()
  }
}

/** Runs the command as a process with its own environment. */
async function commandProcess(args: string[], environment: Record<string, string>): Promise<Ended> {
  const { DATABASE_URL: _, ...env } = process.env
  const child = spawn(process.execPath, [file, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env, ...environment },
  })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { stdout, stderr, code }
}

const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000'
const UNREACHABLE = 'postgres://user@127.0.0.1:1/none'

t.test('jobs are listed, cancelled and sent again', async (t) => {
  const { open, url } = await createHarness(t)
  const jobs = open()
  const queued = await jobs.enqueue(double, { n: 1 })
  jobs.work(flaky, () => {
    throw new JobPermanentError('out of\norder')
  })
  const failed = await jobs.enqueue(flaky, { failures: 1 })
  await inState(jobs, failed, 'failed')

  const all = await commandProcess(['list'], { DATABASE_URL: url })
  t.match(all, { code: 0, stderr: '' })
  t.match(
    all.stdout,
    new RegExp(
      `^id .*error\n${failed}  .*  flaky   failed  +0 %  +1  out of order\n${queued}  .*  double  queued  +0 %  +0  –\n$`,
    ),
  )
  t.match(JSON.parse((await command(t, ['list', '--dead', '--json'], url)).stdout), [
    { id: failed, state: 'failed' },
  ])
  t.match(await command(t, ['list', '--queue', 'double', '--state', 'active'], url), { stdout: 'No jobs.\n' })
  t.match(await command(t, ['list', '--limit', '1'], url), { stderr: 'The newest 1; more with --limit.\n' })

  t.match(await command(t, ['cancel', queued], url), { code: 0, stdout: `${queued}  cancelled\n` })
  t.match(await jobs.get(queued), { state: 'cancelled' })
  t.match(await command(t, ['retry', queued], url), { code: 0, stdout: `${queued}  queued\n` })
})

t.test('every dead letter, or those of a queue, are sent again and counted', async (t) => {
  const { open, url } = await createHarness(t)
  const jobs = open()
  const failing = () => {
    throw new JobPermanentError('out of order')
  }
  jobs.work(flaky, failing)
  jobs.work(double, failing)
  const first = await jobs.enqueue(flaky, { failures: 1 })
  await inState(jobs, first, 'failed')
  const second = await jobs.enqueue(double, { n: 1 })
  await inState(jobs, second, 'failed')
  await jobs.close()

  const ofQueue = await command(t, ['retry', '--dead', '--queue', 'double'], url)
  t.match(ofQueue, { code: 0, stdout: `${second}  retrying\n1 of 1 dead letters sent again.\n` })
  t.match(await command(t, ['retry', '--dead'], url), {
    code: 0,
    stdout: `${first}  retrying\n1 of 1 dead letters sent again.\n`,
  })
  t.match(await command(t, ['retry', '--dead'], url), { code: 0, stdout: 'No dead letters.\n' })
  t.match(await command(t, ['list', '--dead'], url), { code: 0, stdout: 'No dead letters.\n' })
})

t.test('an id that cannot be changed is reported, stops no other, and is exit code 1', async (t) => {
  const { open, url, admin } = await createHarness(t)
  const jobs = open()
  jobs.work(double, ({ data }) => ({ twice: data.n * 2 }))
  const completed = await jobs.enqueue(double, { n: 1 })
  await inState(jobs, completed, 'completed')
  const queued = await jobs.enqueue(flaky, { failures: 0 })

  t.match(await command(t, ['cancel', completed, 'nonsense', UNKNOWN_ID, queued, queued], url), {
    code: 1,
    stdout: `${completed}  not cancelled: completed\nnonsense  unknown\n${UNKNOWN_ID}  unknown\n${queued}  cancelled\n`,
  })
  t.match(await command(t, ['cancel', queued], url), { code: 0 }, 'it is in the wished state')
  t.match(await command(t, ['retry', completed, queued], url), {
    code: 1,
    stdout: `${completed}  not sent again: completed\n${queued}  queued\n`,
  })

  const other = await jobs.enqueue(flaky, { failures: 0 })
  await admin.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;
    CREATE TRIGGER refuse BEFORE UPDATE ON pgboss.job_common FOR EACH ROW WHEN (OLD.id = '${queued}') EXECUTE FUNCTION refuse()`)
  t.match(await command(t, ['cancel', queued, other], url), {
    code: 1,
    stdout: `${queued}  error: not this one\n${other}  cancelled\n`,
  })
})

t.test(
  'a database without the tables of the queue is reported with the command that creates them',
  async (t) => {
    const { url } = await createHarness(t, { migrated: false })
    t.match(await command(t, ['list'], url), {
      code: 1,
      stderr: /^The job queue has no tables yet: pnpm db:migrate/,
    })
  },
)

t.test('an unknown queue is reported with the existing queues', async (t) => {
  const { open, url } = await createHarness(t)
  t.match(await command(t, ['list', '--queue', 'double'], url), {
    code: 1,
    stderr: 'There is no queue double; there is none yet.\n',
  })
  await whenReady(open())
  for (const args of [['list'], ['list', '--dead'], ['retry', '--dead']]) {
    t.match(await command(t, [...args, '--queue', 'duoble'], url), {
      code: 1,
      stdout: '',
      stderr: 'There is no queue duoble; there are double, flaky.\n',
    })
  }
})

t.test(
  'a database that becomes unavailable is reported for one id, and the others are not tried',
  async (t) => {
    const { open, url, admin } = await createHarness(t)
    const jobs = open()
    const ids = [await jobs.enqueue(double, { n: 1 }), await jobs.enqueue(double, { n: 2 })] as const
    await admin.query(`
    CREATE FUNCTION disconnect() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
    CREATE TRIGGER disconnect BEFORE UPDATE ON pgboss.job_common FOR EACH ROW EXECUTE FUNCTION disconnect()`)
    const { code, stdout } = await command(t, ['cancel', ...ids], url)
    t.equal(code, 1)
    t.match(
      stdout,
      new RegExp(`^${ids[0]}  error: The job queue is not available: .*\n${ids[1]}  not tried\n$`),
    )
  },
)

t.test('an argument that would have no effect is refused', async (t) => {
  const cases: [string[], RegExp][] = [
    [['retry', UNKNOWN_ID, '--dead'], /^retry --dead takes no ids: retry ID retries one\n/],
    [['retry', '--dead', '--state', 'failed'], /^Unknown option '--state'/],
    [['retry', '--dead', '--limit', '5'], /^Unknown option '--limit'/],
    [['retry', UNKNOWN_ID, '--queue', 'double'], /^retry takes --queue only with --dead\n/],
    [['list', '--dead', '--state', 'failed'], /^list takes no --state with --dead\n/],
    [['list', 'foo', 'bar'], /^Unexpected argument 'foo'\n/],
    [['list', '--dead', UNKNOWN_ID], /^Unexpected argument/],
    [['cancel', UNKNOWN_ID, '--queue', 'double'], /^Unknown option '--queue'/],
    [['cancel', UNKNOWN_ID, '--state', 'queued'], /^Unknown option '--state'/],
    [['cancel', UNKNOWN_ID, '--limit', '1'], /^Unknown option '--limit'/],
    [['cancel', UNKNOWN_ID, '--json'], /^Unknown option '--json'/],
    [['cancel', '--dead'], /^Unknown option '--dead'/],
    [['cancel'], /^An argument is missing: ID…\n[\s\S]*pnpm ops jobs cancel/],
    [['retry'], /^An argument is missing: ID… or --dead\n/],
    [['list', '--state', 'done'], /^--state is one of/],
    [['list', '--limit', '0'], /^--limit takes a whole number from 1/],
    [['list', '--all'], /--all/],
    [['drop'], /^There is no command 'drop': list, retry, cancel\n/],
    [[], /^A command is missing: list, retry, cancel\n/],
  ]
  for (const [args, stderr] of cases) {
    t.match(await command(t, args), { code: 64, stdout: '', stderr }, args.join(' '))
  }
  const ofProcess = await commandProcess(['retry', UNKNOWN_ID, '--dead'], { DATABASE_URL: UNREACHABLE })
  t.match(ofProcess, { code: 64, stdout: '', stderr: /^retry --dead takes no ids/ })
})

t.test('wrong settings and an unavailable database have their own exit codes', async (t) => {
  t.match(await command(t, ['--help']), { code: 0, stdout: /^pnpm ops jobs <command>/ })
  t.match(await commandProcess(['list'], { DATABASE_URL: UNREACHABLE }), {
    code: 1,
    stderr: /^The job queue is not available: .*ECONNREFUSED.*\n$/,
  })
  t.match(await commandProcess(['list'], {}), { code: 78, stderr: /^DATABASE_URL must be set/ })
  t.match(await commandProcess(['list'], { DATABASE_URL_FILE: '/nowhere/url' }), {
    code: 78,
    stderr: /DATABASE_URL_FILE: cannot be read: ENOENT/,
  })
})
