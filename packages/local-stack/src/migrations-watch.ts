import { watch } from 'node:fs'
import { join } from 'node:path'

export interface MigrationsWatchOptions {
  /** The folder that `drizzle-kit` writes. */
  readonly folder: string
  /** Applies what is new; rejects when a migration fails. */
  migrate(): Promise<void>
  /** The migration failed, and the next change starts it again. */
  onFailure(error: unknown): void
}

/** `drizzle-kit` writes three files, and an editor may write one in steps. */
const SETTLE_MS = 300

/** Calls `migrate` after each change of the folder, never twice at once. */
export function watchMigrations(options: MigrationsWatchOptions): { close(): Promise<void> } {
  const { folder, migrate, onFailure } = options
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let isStale = false

  const run = async () => {
    do {
      isStale = false
      await migrate().catch(onFailure)
    } while (isStale)
    running = undefined
  }
  const start = () => {
    isStale = true
    running ??= run()
  }
  const onChange = () => {
    clearTimeout(timer)
    timer = setTimeout(start, SETTLE_MS)
  }
  const watchers = [folder, join(folder, 'meta')].map((path) => watch(path, onChange))
  return {
    async close() {
      clearTimeout(timer)
      for (const watcher of watchers) watcher.close()
      await running
    },
  }
}
