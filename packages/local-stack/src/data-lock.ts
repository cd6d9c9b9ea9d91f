import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { commandOf } from '@reference/cli'
import { localStackError } from './errors.ts'

/** How long a Postgres may take to stop after its parent was killed. */
const STOP_LIMIT_MS = 20_000

/** How long a Postgres may still be `ready` after its parent was killed: until `guard.sh` notices. */
const NOTICE_MS = 2_000

/**
 * Waits until no Postgres runs on a kept data folder.
 *
 * Postgres locks the folder with `postmaster.pid`. Its Postgres takes a moment to stop after the parent was
 * killed. After a restart of the machine the id in the file may belong to another program, and Postgres would refuse to start.
 *
 * @throws LocalStackError FOLDER_IN_USE when a Postgres keeps running there
 */
export async function awaitFreeData(data: string): Promise<void> {
  const begin = performance.now()
  for (;;) {
    const lock = await readLock(data)
    if (lock === undefined) return
    const command = commandOf(lock.pid)
    // Postgres itself removes the lock of an ended process, and recovers its data.
    if (command === undefined) return
    if (!command.includes('postgres')) return rm(join(data, 'postmaster.pid'), { force: true })
    const waited = performance.now() - begin
    if (waited > STOP_LIMIT_MS || (waited > NOTICE_MS && lock.state === 'ready')) {
      throw localStackError(
        'FOLDER_IN_USE',
        `A Postgres already runs on ${data}: process ${lock.pid}, port ${lock.port}.
To stop it, type: kill -INT ${lock.pid}`,
      )
    }
    await delay(100)
  }
}

interface Lock {
  pid: number
  port: string
  state: string
}

async function readLock(data: string): Promise<Lock | undefined> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const lines = text.split('\n')
  return { pid: Number(lines[0]), port: lines[3] ?? '?', state: lines[7]?.trim() ?? '' }
}
