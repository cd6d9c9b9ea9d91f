import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { localStackError } from './errors.ts'

/** One process, told apart from a later one that got its id. */
interface ProcessId {
  readonly pid: number
  readonly startedAt: string
}

interface Run extends ProcessId {
  readonly command: string
  readonly services: string
}

/**
 * Records in a file which process runs the services of a clone, until `release`. A file whose process is gone (killed, or
 * before the machine was started again) does not count.
 *
 * @param run what the other start is to read: the command, and the services with their addresses
 * @returns `afterCrash` when the last run did not release it: what it started may still be ending
 * @throws LocalStackError ALREADY_RUNS when another process does, with what to type
 */
export const claimRun = async (
  file: string,
  run: { command: string; services: string },
): Promise<{ release(): Promise<void>; afterCrash: boolean }> => {
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

const readRun = async (file: string): Promise<Run | undefined> => {
  try {
    const { pid, startedAt, command, services }: Run = JSON.parse(await readFile(file, 'utf8'))
    return { pid: Number(pid), startedAt, command, services }
  } catch {
    // No file, or one that was written in part.
    return undefined
  }
}

/** When a process was started, in the words of the system; undefined when there is no such process. */
export const startOf = (pid: number): string | undefined => {
  // The 22nd field; the second one is a name, which may hold blanks and parentheses.
  const fields = fromProc(pid, 'stat')?.split(') ').at(-1)?.split(' ')
  return fields?.[19] ?? ps(pid, 'lstart')
}

/** The command line of a process; undefined when there is no such process. */
export const commandOf = (pid: number): string | undefined =>
  fromProc(pid, 'cmdline')?.replaceAll('\0', ' ').trim() ?? ps(pid, 'args')

const fromProc = (pid: number, file: string): string | undefined => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}

const ps = (pid: number, column: string): string | undefined => {
  if (process.platform === 'linux') return undefined
  try {
    return (
      execFileSync('ps', ['-p', String(pid), '-o', `${column}=`], { encoding: 'utf8' }).trim() || undefined
    )
  } catch {
    return undefined
  }
}
