import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'

/**
 * Files of the repository, tracked or new, without files that .gitignore names.
 *
 * @param patterns git pathspecs such as `*.ts`
 * @returns paths from the root, sorted
 */
export function repositoryFiles(...patterns: string[]): string[] {
  const list = ['ls-files', '--cached', '--others', '--exclude-standard', '-z', '--', ...patterns]
  const { status, stdout, stderr } = spawnSync('git', list, {
    cwd: REPOSITORY_ROOT,
    encoding: 'utf8',
    maxBuffer: 64e6,
  })
  if (status !== 0) throw new Error(`git ls-files failed: ${stderr}`)
  const paths = stdout.split('\0').filter((path) => path !== '' && existsSync(join(REPOSITORY_ROOT, path)))
  return [...new Set(paths)].sort()
}
