import { spawnSync } from 'node:child_process'
import { CommandError, REPOSITORY_ROOT } from '@reference/cli'
import { docker } from './docker.ts'
import { APIS, type Production } from './production.ts'

/** Builds both APIs from the sources of this repository. */
export async function build(production: Production, tag: string): Promise<void> {
  await production.compose(['build', ...APIS], { show: true, env: { TAG: tag, BUILD_COMMIT: commit() } })
}

export function isTag(text: string): boolean {
  return /^\w[\w.-]{0,127}$/.test(text)
}

/** @throws CommandError naming the image that is missing */
export async function haveImages(tag: string): Promise<void> {
  for (const api of APIS) {
    if (!(await isThere(`${api}:${tag}`))) throw new CommandError(`there is no image ${api}:${tag}`)
  }
}

export async function isThere(image: string): Promise<boolean> {
  const found = await docker(['image', 'ls', '--quiet', image])
  return found !== ''
}

/** The revision for `build_info` and traces: empty outside of a checkout, `-dirty` with uncommitted changes. */
function commit(): string {
  const git = (...args: string[]) =>
    spawnSync('git', args, { cwd: REPOSITORY_ROOT, encoding: 'utf8' }).stdout?.trim() ?? ''
  const revision = git('rev-parse', '--short=12', 'HEAD')
  return revision === '' || git('status', '--porcelain') === '' ? revision : `${revision}-dirty`
}
