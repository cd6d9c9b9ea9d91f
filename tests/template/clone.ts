import { existsSync, globSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import type t from 'tap'
import { copyRepository, type RepositoryCopy } from '../testing/repository-copy.ts'

type Test = Pick<typeof t, 'teardown'>

/** A clone of this repository with one commit, outside of it: tools that search for a repository upwards find the clone's own. */
export async function cloneRepository(t: Test): Promise<RepositoryCopy> {
  const place = mkdtempSync(join(tmpdir(), 'template-'))
  t.teardown(() => rmSync(place, { recursive: true, force: true }))
  const folder = join(place, 'clone')
  mkdirSync(folder)
  const clone = copyRepository(folder)
  await git(clone, 'init', '--quiet', '--initial-branch=main')
  await commit(clone, 'Clone')
  return clone
}

export async function commit(clone: RepositoryCopy, subject: string): Promise<void> {
  await git(clone, 'add', '--all')
  await git(clone, 'commit', '--quiet', '--message', subject)
}

/** Runs git as an author of the test, with none of the user's settings. @throws when it fails */
export async function git({ run }: RepositoryCopy, ...args: string[]): Promise<string> {
  const author = ['-c', 'user.name=Test', '-c', 'user.email=test@example.com', '-c', 'commit.gpgsign=false']
  const { code, output } = await run('git', [...author, ...args])
  if (code !== 0) throw new Error(`git ${args.join(' ')}: ${output}`)
  return output
}

/** Links the packages under their new scope, as `pnpm install` does after a rename, without a network. */
export function linkScope({ folder }: RepositoryCopy, scope: string): void {
  const modules = globSync('{.,*,packages/*,services/*}/node_modules', { cwd: folder })
  for (const path of modules) {
    for (const name of readdirSync(join(folder, path)).filter((each) => each === '@reference'))
      renameSync(join(folder, path, name), join(folder, path, scope))
  }
  if (!existsSync(join(folder, 'tools/node_modules', scope)))
    throw new Error(`The packages of ${REPOSITORY_ROOT} are not linked`)
}
