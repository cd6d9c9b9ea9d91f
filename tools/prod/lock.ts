import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CommandError, isRunning } from '@reference/cli'

/** Parts of a production that only one command at a time may change. */
export type Lock = 'replicas' | 'postgres'

/**
 * Runs the work while this process holds the locks. Fails at once when another process holds one of them, instead of waiting: the
 * other command may leave a different production. The lock of a process that has ended does not count.
 */
export async function locked<T>(
  folder: string,
  locks: readonly Lock[],
  command: string,
  work: () => Promise<T>,
): Promise<T> {
  const held: string[] = []
  try {
    for (const lock of locks) held.push(take(join(folder, `${lock}.lock`), command))
    return await work()
  } finally {
    for (const file of held) rmSync(file, { force: true })
  }
}

function take(file: string, command: string): string {
  const mine = `${file}.${process.pid}`
  writeFileSync(mine, `${process.pid} ${command}\n`)
  try {
    for (;;) {
      // A hard link appears atomically with its content; a new file would be empty at first.
      if (link(mine, file)) return file
      const holder = read(file)
      const [pid = '', other = ''] = holder?.trim().split(' ') ?? []
      if (isRunning(Number(pid)))
        throw new CommandError(
          `pnpm prod ${other} runs already (process ${pid}); try again when it has ended`,
        )
      if (holder !== undefined) removeStale(file, holder)
    }
  } finally {
    rmSync(mine, { force: true })
  }
}

/** Two processes may find the same stale lock. Checking the moved file keeps one from removing the new lock of the other. */
function removeStale(file: string, content: string): void {
  const aside = `${file}.stale.${process.pid}`
  try {
    renameSync(file, aside)
  } catch {
    return
  }
  if (read(aside) !== content) link(aside, file)
  rmSync(aside, { force: true })
}

function link(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
