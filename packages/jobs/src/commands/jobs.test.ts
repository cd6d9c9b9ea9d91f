import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { JobPermanentError } from '../errors.ts'
import { double, flaky } from '../fixtures/definitions.ts'
import { harness, inState } from '../fixtures/harness.ts'

const file = fileURLToPath(new URL('./jobs.ts', import.meta.url))

async function command(args: string[], databaseUrl?: string) {
  const { DATABASE_URL: _, ...env } = process.env
  const child = spawn(process.execPath, [file, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: databaseUrl === undefined ? env : { ...env, DATABASE_URL: databaseUrl },
  })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { stdout, stderr, code }
}

t.test('jobs are listed, cancelled and sent again', async (t) => {
  const { open, url } = await harness(t)
  const jobs = open()
  const queued = await jobs.enqueue(double, { n: 1 })
  jobs.work(flaky, () => {
    throw new JobPermanentError('out of order')
  })
  const failed = await jobs.enqueue(flaky, { failures: 1 })
  await inState(jobs, failed, 'failed')

  const all = await command(['list'], url)
  t.match(all, { code: 0, stderr: '' })
  t.match(
    all.stdout,
    new RegExp(`${failed}  .*  flaky  failed .*  out of order\n.*${queued}  .*  double  queued`),
  )
  t.match(JSON.parse((await command(['list', '--dead', '--json'], url)).stdout), [
    { id: failed, state: 'failed' },
  ])
  t.match(await command(['list', '--queue', 'double', '--state', 'active'], url), { stdout: 'No jobs.\n' })

  t.match(await command(['cancel', queued], url), { code: 0, stdout: `${queued}  cancelled\n` })
  t.match(await jobs.get(queued), { state: 'cancelled' })
  t.match(await command(['retry', queued], url), { code: 0, stdout: `${queued}  queued\n` })
  t.match(await command(['retry', '--dead'], url), { code: 0, stdout: `${failed}  retrying\n` })
  t.match(await command(['cancel', 'nonsense'], url), { code: 1, stdout: 'nonsense  unknown\n' })
})

t.test('wrong calls say what is wrong', async (t) => {
  const [help, nowhere, noUrl, noId, noState, noCommand] = await Promise.all([
    command(['--help']),
    command(['list'], 'postgres://nobody@127.0.0.1:1/none'),
    command(['list']),
    command(['cancel']),
    command(['list', '--state', 'done']),
    command(['drop']),
  ])
  t.match(help, { code: 0, stdout: /pnpm jobs list/ })
  t.match(nowhere, { code: 1, stderr: /The job queue is not available\..*ECONNREFUSED/ })
  t.match(noUrl, { code: 78, stderr: 'DATABASE_URL is not set.\n' })
  t.match(noId, { code: 64, stderr: /cancel needs at least one id\.[\s\S]*pnpm jobs cancel/ })
  t.match(noState, { code: 64, stderr: /--state is one of/ })
  t.match(noCommand, { code: 64, stderr: /Unknown command drop/ })
})
