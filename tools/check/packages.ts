import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { repositoryFiles } from './sources.ts'

/** Packages and services without a README. */
export function packageFaults(): string[] {
  return repositoryFiles('**/package.json')
    .map(dirname)
    .filter((folder) => !existsSync(join(REPOSITORY_ROOT, folder, 'README.md')))
    .map((folder) => `${folder}: there is no README.md`)
}
