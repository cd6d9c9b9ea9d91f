import { execFileSync } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { until } from '@reference/async'
import { isRunning } from '@reference/cli'
import postgres from 'postgres'
import t from 'tap'
import { startStack, throwAwaySettings } from './index.ts'
import { openFolder } from './testing/open-folder.ts'
import { startStackProcess } from './testing/start-stack-process.ts'

t.test('a stack ends with its parent and deletes its folders', async (t) => {
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    t.test(`when the parent gets ${signal}`, async (t) => {
      const dir = await openFolder(t)
      const stack = await startStackProcess(dir)
      t.ok(stack.pids.every(isRunning))
      t.equal((await readdir(dir)).length, 2, 'a folder for each server')
      stack.process.kill(signal)
      await until('the servers have ended', () => !stack.pids.some(isRunning))
      await until('the folders are deleted', async () => (await readdir(dir)).length === 0)
    })
  }

  t.test('even with a paused server', async (t) => {
    const dir = await openFolder(t)
    const stack = await startStackProcess(dir)
    for (const pid of stack.pids) process.kill(pid, 'SIGSTOP')
    stack.process.kill('SIGKILL')
    await until('the servers have ended', () => !stack.pids.some(isRunning))
    await until('the folders are deleted', async () => (await readdir(dir)).length === 0)
  })
})

t.test('a server ends when its guard is killed', async (t) => {
  const dir = await openFolder(t)
  const stack = await startStack({ dir, postgres: { settings: throwAwaySettings }, redis: 'single' })
  t.teardown(stack.stop)
  const redis = stack.pids.redis[0] ?? 0
  const guard = await parentOf(redis)
  process.kill(guard, 'SIGKILL')
  await until('Redis has ended', () => !isRunning(redis))
})

t.test('two stacks run side by side', async (t) => {
  const dir = await openFolder(t)
  const options = { dir, postgres: { settings: throwAwaySettings } }
  const stacks = await Promise.all([startStack(options), startStack(options)])
  for (const stack of stacks) t.teardown(stack.stop)
  const [one, other] = stacks
  t.not(one.databaseUrl, other.databaseUrl)
  t.not(one.redisUrl, other.redisUrl)
  await one.stop()
  const sql = postgres(other.databaseUrl, { max: 1 })
  t.same(await sql`SELECT 1 AS one`, [{ one: 1 }], 'stopping one leaves the other')
  await sql.end()
  await other.stop()
  t.same(await readdir(dir), [])
  const port = Number(new URL(other.databaseUrl).port)
  const refused = await new Promise((resolve) => {
    createConnection(port, '127.0.0.1')
      .once('error', () => resolve(true))
      .once('connect', () => resolve(false))
  })
  t.ok(refused, `${port} has no listener`)
})

/** Linux answers from /proc: a small installation has no `ps`. */
async function parentOf(pid: number): Promise<number> {
  if (process.platform === 'linux') {
    return Number(/^PPid:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1])
  }
  return Number(execFileSync('ps', ['-o', 'ppid=', '-p', String(pid)], { encoding: 'utf8' }))
}
