import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { OPENAPI_FILES } from '../generate/openapi.ts'
import { breakingChanges, type OpenApi, permitsBreakingChanges } from '../openapi/breaking-changes.ts'

/**
 * The changes of the committed OpenAPI documents that break a client, since the commit where this branch left `main`; on `main` itself since the
 * commit before. `API_BASE` names another commit, such as the tag of the last release. A new version of the service permits them.
 */
export function apiFaults(root = REPOSITORY_ROOT, environment: NodeJS.ProcessEnv = process.env): string[] {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  const base = environment.API_BASE || baseOf(git)
  if (base === undefined) {
    const isShallow = attempt(() => git('rev-parse', '--is-shallow-repository')) === 'true'
    // Otherwise a copy without git, or the first commit.
    return isShallow ? [NO_HISTORY] : []
  }
  if (attempt(() => git('cat-file', '-e', `${base}^{commit}`)) === undefined)
    return [`API_BASE: there is no commit ${base}. ${NO_HISTORY}`]
  return OPENAPI_FILES.flatMap((file) => {
    const before = attempt(() => git('show', `${base}:./${file}`))
    return before === undefined ? [] : faultsOf(root, file, JSON.parse(before), base)
  })
}

const NO_HISTORY =
  'A shallow clone has no commit to compare the OpenAPI documents with: fetch more history (fetch-depth: 0)'

function faultsOf(root: string, file: string, before: OpenApi, base: string): string[] {
  // Its service was removed.
  if (!existsSync(join(root, file))) return []
  const after = JSON.parse(readFileSync(join(root, file), 'utf8')) as OpenApi
  if (permitsBreakingChanges(before.info.version, after.info.version)) return []
  const changes = breakingChanges(before, after)
  if (changes.length === 0) return []
  const advice = `keep the old form beside the new one, or raise the version ${after.info.version} of the service in its package.json`
  return [
    ...changes.map((change) => `${file}: ${change}`),
    `These break clients of ${base.slice(0, 12)}: ${advice}`,
  ]
}

type Git = (...args: string[]) => string

function baseOf(git: Git): string | undefined {
  const head = attempt(() => git('rev-parse', 'HEAD'))
  for (const main of ['origin/main', 'main']) {
    const base = attempt(() => git('merge-base', 'HEAD', main))
    if (base !== undefined && base !== head) return base
  }
  // On main. With changes that are not committed the documents are compared with the last commit, and else with the one before.
  const isClean = attempt(() => git('diff', '--quiet', 'HEAD', '--', ...OPENAPI_FILES)) !== undefined
  return isClean ? attempt(() => git('rev-parse', '--verify', '--quiet', 'HEAD~1')) : head
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
