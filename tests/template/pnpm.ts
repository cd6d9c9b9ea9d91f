/** `pnpm` without a network, for the commands of a page: `install` links the packages of this repository, the rest are scripts. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { linkDependencies } from '../testing/repository-copy.ts'
import { linkScope } from './clone.ts'

const [name = '', ...args] = process.argv.slice(2)
const folder = process.cwd()

if (name === 'install') {
  if (!existsSync('node_modules')) linkDependencies(folder)
  linkScope(folder, JSON.parse(readFileSync('tools/package.json', 'utf8')).name.split('/')[0])
} else {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'))
  const { status } = spawnSync('sh', ['-c', `${scripts[name]} "$@"`, name, ...args], { stdio: 'inherit' })
  process.exitCode = status ?? 1
}
