import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { startOf } from '@reference/cli'
import { localStackError } from './errors.ts'

/** Identifies a process, even when a later one gets the same id. */
interface ProcessId {
  readonly pid: number
  readonly startedAt: string
}

interface Run extends ProcessId {
  readonly command: string
  readonly services: string
}

/**
 * Records in a file which process runs the services of a clone, until `release`. A file whose process has ended (killed, or
 * before a restart of the machine) is ignored.
 *
 * @param run shown by another start: the command, and the services with their addresses
 * @returns `afterCrash` when the last run did not release it: its services may still be ending
 * @throws LocalStackError ALREADY_RUNS when another process does, with the line to type
 */
export async function claimRun(
  file: string,
  run: { command: string; services: string },
): Promise<{ release(): Promise<void>; afterCrash: boolean }> {
  const other = await readRun(file)
  if (other !== undefined && startOf(other.pid) === other.startedAt) {
    throw localStackError(
      'ALREADY_RUNS',
      `${other.command} already runs in this clone: process ${other.pid}, ${other.services}.
To stop it, press Ctrl-C in its terminal or type: kill ${other.pid}
To run another one beside it, with a database of its own, type: ${run.command} --temporary --port 8010`,
    )
  }
  await mkdir(dirname(file), { recursive: true })
  const own: Run = { pid: process.pid, startedAt: startOf(process.pid) ?? '', ...run }
  await writeFile(file, JSON.stringify(own))
  return { release: () => rm(file, { force: true }), afterCrash: other !== undefined }
}

async function readRun(file: string): Promise<Run | undefined> {
  try {
    const { pid, startedAt, command, services }: Run = JSON.parse(await readFile(file, 'utf8'))
    return { pid: Number(pid), startedAt, command, services }
  } catch {
    // No file, or an incomplete one.
    return undefined
  }
}
