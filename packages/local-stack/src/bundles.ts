import { spawn } from 'node:child_process'
import { CommandError, REPOSITORY_ROOT } from '@reference/cli'
import type { ServiceName } from '@reference/shop/services'

/** The main file of a service as `pnpm build` writes it, from the root of the repository. */
export function bundleOf(service: ServiceName): string {
  return `dist/${service}/main.js`
}

interface BuildOptions {
  /** In place of `dist`. */
  readonly folder?: string
  /** Names of programs; all of them unless given. */
  readonly programs?: readonly string[]
  /** Ends the build. */
  readonly signal?: AbortSignal
}

/**
 * Runs `pnpm build`, each time: it takes a few seconds, and bundles that are older than their sources would run unnoticed.
 *
 * The returned promise settles when the build has ended, also after an abort: nothing writes into the folder any more.
 *
 * @throws CommandError when a source does not bundle; the reason is on standard error
 * @throws the signal's reason when it aborts
 */
export async function buildBundles({
  folder = 'dist',
  programs = [],
  signal,
}: BuildOptions = {}): Promise<void> {
  const chosen = programs.flatMap((name) => ['--program', name])
  const child = spawn(process.execPath, ['tools/build/main.ts', '--to', folder, ...chosen], {
    cwd: REPOSITORY_ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
    signal,
  })
  const { promise: ended, resolve } = Promise.withResolvers<number | null>()
  // An abort emits `error` before the process has ended.
  child.on('error', () => {}).once('close', resolve)
  const code = await ended
  signal?.throwIfAborted()
  if (code !== 0) throw new CommandError('The services were not bundled; the reason is above')
}
