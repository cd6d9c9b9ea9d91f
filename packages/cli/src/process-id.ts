import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** The start time of a process, in the format of the system; undefined without such a process. */
export function startOf(pid: number): string | undefined {
  // The 22nd field. The second field is a name, which may contain blanks and parentheses.
  const fields = fromProc(pid, 'stat')?.split(') ').at(-1)?.split(' ')
  return fields?.[19] ?? ps(pid, 'lstart')
}

/** The command line of a process; undefined without such a process. */
export const commandOf = (pid: number): string | undefined =>
  fromProc(pid, 'cmdline')?.replaceAll('\0', ' ').trim() ?? ps(pid, 'args')

/** Whether a process with this id runs, also one of another user. */
export function isRunning(pid: number): boolean {
  // 0 and negative numbers name groups of processes.
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function fromProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}

function ps(pid: number, column: string): string | undefined {
  if (process.platform === 'linux') return undefined
  try {
    return (
      execFileSync('ps', ['-p', String(pid), '-o', `${column}=`], { encoding: 'utf8' }).trim() || undefined
    )
  } catch {
    return undefined
  }
}
