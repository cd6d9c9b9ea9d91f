import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { CommandError, REPOSITORY_ROOT } from '@reference/cli'
import type { ServiceName } from '@reference/shop/services'

/** The main file of a service as `pnpm build` writes it, from the root of the repository. */
export function bundleOf(service: ServiceName): string {
  return `dist/${service}/main.js`
}

/**
 * Runs `pnpm build`, each time: it takes a few seconds, and bundles that are older than their sources would run unnoticed.
 *
 * @param folder in place of `dist`
 * @throws CommandError when a source does not bundle; the reason is on standard error
 */
export async function buildBundles(folder = 'dist'): Promise<void> {
  const child = spawn(process.execPath, ['tools/build/main.ts', '--to', folder], {
    cwd: REPOSITORY_ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new CommandError('The services were not bundled; the reason is above')
}
