import { spawn } from 'node:child_process'
import { once } from 'node:events'
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
}

/**
 * Runs `pnpm build`, each time: it takes a few seconds, and bundles that are older than their sources would run unnoticed.
 *
 * @throws CommandError when a source does not bundle; the reason is on standard error
 */
export async function buildBundles({ folder = 'dist', programs = [] }: BuildOptions = {}): Promise<void> {
  const chosen = programs.flatMap((name) => ['--program', name])
  const child = spawn(process.execPath, ['tools/build/main.ts', '--to', folder, ...chosen], {
    cwd: REPOSITORY_ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new CommandError('The services were not bundled; the reason is above')
}
