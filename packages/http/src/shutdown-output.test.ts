import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { until } from '@reference/async'
import t from 'tap'
import { get, keepAlive, refuses, startProcess } from './testing/test-process.ts'
import type { Teardown } from './testing/test-server.ts'

/** A FIFO with a reader that does not read. */
function unreadFifo(t: Teardown & { testdir(content: Record<string, string>): string }): {
  path: string
  fd: number
} {
  const path = join(t.testdir({}), 'fifo')
  execFileSync('mkfifo', [path])
  // On Linux, opening a FIFO for reading and writing does not wait for another process.
  const fd = openSync(path, 'r+')
  t.teardown(() => closeSync(fd))
  return { path, fd }
}

/** Sends requests whose log lines exceed the buffer of a pipe; resolves with the statuses. */
async function fillLog(t: Teardown, url: string): Promise<Set<number>> {
  const agent = keepAlive(t)
  const statuses = new Set<number>()
  const client = async () => {
    for (let n = 0; n < 150; n++) statuses.add((await get(`${url}/health`, agent)).status)
  }
  await Promise.all(Array.from({ length: 10 }, client))
  return statuses
}

t.test('a full standard output blocks neither requests nor the shutdown', async (t) => {
  const full = openSync('/dev/full', 'w')
  t.teardown(() => closeSync(full))
  const outputs = [
    ['a FIFO that is not read', unreadFifo(t).fd],
    ['a full device', full],
  ] as const
  for (const [name, stdout] of outputs) {
    const { child, url, exit } = await startProcess(t, { REQUEST_LOG: 'on' }, { stdout })
    t.same(await fillLog(t, url), new Set([200]), name)
    child.kill('SIGTERM')
    t.equal(await exit, 0, name)
  }
})

t.test('a closed standard output blocks neither requests nor the shutdown', async (t) => {
  const { child, url, exit } = await startProcess(t, { REQUEST_LOG: 'on' })
  child.stdout?.destroy()
  t.same(await fillLog(t, url), new Set([200]))
  child.kill('SIGTERM')
  t.equal(await exit, 0)
})

t.test('a second signal does not wait for standard output', async (t) => {
  const { fd } = unreadFifo(t)
  const { child, url, exit } = await startProcess(
    t,
    { REQUEST_LOG: 'on', CLOSE_TIMEOUT_MS: '60000' },
    { stdout: fd },
  )
  await fillLog(t, url)
  const held = once(child, 'message')
  get(`${url}/held`, keepAlive(t)).catch(() => {})
  await held
  child.kill('SIGTERM')
  // A new connection may be in the queue of the listener that closes.
  const isUnready = () =>
    get(`${url}/ready`, new Agent()).then(
      ({ status }) => status === 503,
      ({ code }) => code === 'ECONNREFUSED',
    )
  await until('/ready is 503, or nothing listens', isUnready)
  child.kill('SIGTERM')
  t.equal(await exit, 1)
})

t.test('the last lines wait for a slow reader', async (t) => {
  const { child, url, port, exit, log } = await startProcess(t, { REQUEST_LOG: 'on' })
  child.stdout?.pause()
  await fillLog(t, url)
  child.kill('SIGTERM')
  await until('the listener is closed', () => refuses(port))
  child.stdout?.resume()
  t.equal(await exit, 0)
  const lines = log().trimEnd().split('\n')
  t.equal(lines.filter((line) => JSON.parse(line).msg === 'request').length, 1500)
  t.match(JSON.parse(lines.at(-1) ?? '{}'), { msg: 'shutdown done' })
})

t.test('a standard error that is not read blocks neither requests nor the shutdown', async (t) => {
  const { fd } = unreadFifo(t)
  const { child, url, exit, log } = await startProcess(t, {}, { stderr: fd })
  t.equal((await get(`${url}/warn`, keepAlive(t))).status, 200)
  t.equal((await get(`${url}/health`, keepAlive(t))).status, 200)
  child.kill('SIGTERM')
  t.equal(await exit, 0)
  t.match(log(), /"level":"warn".*"msg":"warning"/)
})

t.test('a thread that the kernel blocks does not delay the exit', async (t) => {
  const path = join(t.testdir({}), 'fifo')
  execFileSync('mkfifo', [path])
  for (const [signals, code] of [
    [['SIGTERM'], 0],
    [['SIGTERM', 'SIGINT'], 1],
  ] as const) {
    const { child, url, exit } = await startProcess(t, { FIFO: path, CLOSE_TIMEOUT_MS: '60000' })
    await get(`${url}/block-a-thread`, keepAlive(t))
    if (signals.length > 1) {
      const held = once(child, 'message')
      get(`${url}/held`, keepAlive(t)).catch(() => {})
      await held
    }
    for (const signal of signals) child.kill(signal)
    t.equal(await exit, code)
  }
})
