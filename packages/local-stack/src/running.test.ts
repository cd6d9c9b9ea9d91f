import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { commandOf, startOf } from '@reference/cli'
import t from 'tap'
import { awaitFreeData } from './data-lock.ts'
import { startPostgres, throwAwaySettings } from './postgres.ts'
import { claimRun } from './running.ts'
import { serverFolder, serverUser } from './server-user.ts'

const run = { command: 'pnpm start', services: 'reference-api on http://127.0.0.1:8000' }

t.test('a second run of a clone is refused, with the first run and the line to type', async (t) => {
  const file = join(t.testdir({}), 'folder', 'run.json')
  const claim = await claimRun(file, run)
  t.equal(claim.afterCrash, false)
  await t.rejects(claimRun(file, { ...run, command: 'pnpm dev' }), {
    code: 'ALREADY_RUNS',
    message: new RegExp(
      `pnpm start already runs.* ${process.pid}, .*:8000.*kill ${process.pid}.*--temporary`,
      's',
    ),
  })
  await claim.release()
  t.notOk(existsSync(file))
})

t.test('a killed run does not block, even when its process id belongs to another process', async (t) => {
  const file = join(t.testdir({}), 'run.json')
  const dead = spawnSync(process.execPath, ['-e', '']).pid
  for (const other of [
    { pid: dead, startedAt: '1' },
    { pid: process.pid, startedAt: 'before the restart of the machine' },
  ]) {
    writeFileSync(file, JSON.stringify({ ...run, ...other }))
    t.equal((await claimRun(file, run)).afterCrash, true)
    t.equal(JSON.parse(readFileSync(file, 'utf8')).pid, process.pid)
  }
  writeFileSync(file, '{"pid":')
  t.equal((await claimRun(file, run)).afterCrash, false)
})

t.test('a process is identified by its id and start time', async (t) => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', 'some argument'])
  await once(child, 'spawn')
  const pid = child.pid ?? 0
  t.equal(startOf(pid), startOf(pid))
  t.match(commandOf(pid), /some argument/)
  child.kill('SIGKILL')
  await once(child, 'close')
  t.equal(startOf(pid), undefined)
  t.equal(commandOf(pid), undefined)
})

t.test('a data folder in use names the Postgres; a lock of another program is removed', async (t) => {
  // Not in the clone, which the user of Postgres may not be able to enter.
  const folder = await serverFolder(serverUser(), 'running')
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const data = join(folder, 'data')
  const options = { dataDir: data, settings: throwAwaySettings }
  const postgres = await startPostgres(options)
  t.teardown(postgres.stop)
  await t.rejects(startPostgres(options), {
    code: 'FOLDER_IN_USE',
    message: new RegExp(`process ${postgres.pid}, port ${postgres.port}.*kill -INT ${postgres.pid}`, 's'),
  })
  const lock = join(data, 'postmaster.pid')
  await postgres.stop()
  t.notOk(existsSync(lock))

  // As after a restart of the machine: the id in the lock is that of a program which is no Postgres.
  const child = spawn('sleep', ['600'])
  t.teardown(() => child.kill('SIGKILL'))
  writeFileSync(lock, `${child.pid}\n${data}\n1\n5432\n\n127.0.0.1\n1 1\nready\n`)
  await awaitFreeData(data)
  t.notOk(existsSync(lock))
  const again = await startPostgres(options)
  await again.stop()
})
