import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { isAboutOthers } from '../template/markdown.ts'
import type { Part } from '../template/part.ts'
import { PARTS } from '../template/parts.ts'
import { NAMES_PARTS } from '../template/remove.ts'
import { Tree } from '../template/tree.ts'

const FILE =
  /(?<![\w./@*-])((?:services|packages|infra|tools|tests|bench|docs)\/[\w./-]+\.(?:ts|md|ya?ml|sh|sql|conf|cnf|ini|svg))\b(?!\.\w)/g
const FOLDER = /(?<![\w./@*-])((?:services|packages)\/[a-z][\w-]+)(?=[/'"`\s)\]},:])/g
const SCRIPT = /(?:`|\$ |^\s*)pnpm ([a-z][a-z:-]*)/g
/** Commands of pnpm itself. */
const OWN = new Set([
  'add',
  'audit',
  'config',
  'exec',
  'install',
  'outdated',
  'pack',
  'rebuild',
  'run',
  'store',
  'test',
  'update',
  'why',
])
/** Files with made-up paths, or with the paths of another release. */
const MADE_UP =
  /^(CHANGELOG\.md|pnpm-lock\.yaml|packages\/shop\/migrations\/.*|patches\/.*|docs\/(ADD-A-RESOURCE|MAKE-IT-YOURS)\.md|bench\/baselines\/.*|tools\/template\/.*|tests\/template\/.*)$/
const MADE_UP_IN_TESTS = /\.test\.ts$/

/**
 * Names of services, packages, files, scripts and optional parts that the repository mentions and does not have: the rest of a
 * part that was removed by hand, and of a part that was removed only in half.
 */
export function nameFaults(): string[] {
  const tree = new Tree(REPOSITORY_ROOT)
  const { scripts } = JSON.parse(readFileSync(join(REPOSITORY_ROOT, 'package.json'), 'utf8')) as {
    scripts: Readonly<Record<string, string>>
  }
  const gone = PARTS.filter(({ paths }) => !tree.has(paths[0] ?? ''))
  const mentions = tree.paths().flatMap((path) =>
    tree
      .read(path)
      .split('\n')
      .flatMap((line, index) => {
        const faults = [
          ...partFaults(path, line, gone),
          ...pathFaults(path, line, tree),
          ...scriptFaults(path, line, scripts),
        ]
        return faults.map((fault) => `${path}:${index + 1}: ${fault}`)
      }),
  )
  return [...halfRemoved(tree), ...mentions]
}

/** Files that are left of a part that is gone, or missing of one that is there. */
function halfRemoved(tree: Tree): string[] {
  return PARTS.flatMap(({ name, paths, shared = [] }) => {
    if (tree.has(paths[0] ?? ''))
      return paths
        .filter((glob) => !tree.has(glob))
        .map(
          (glob) => `${glob} of the part ${name} is missing: pnpm template remove ${name} removes the rest`,
        )
    return [...paths, ...shared]
      .filter((glob) => tree.has(glob))
      .map((glob) => `${glob} is left of the part ${name}`)
  })
}

function partFaults(path: string, line: string, gone: readonly Part[]): string[] {
  if (NAMES_PARTS.test(path) || isAboutOthers(line)) return []
  return gone.flatMap(({ name, words }) => {
    const [found] = words.exec(line) ?? []
    return found === undefined ? [] : [`'${found}' names the part ${name}, which is removed`]
  })
}

function pathFaults(path: string, line: string, tree: Tree): string[] {
  if (MADE_UP.test(path) || MADE_UP_IN_TESTS.test(path)) return []
  return [...line.matchAll(FILE), ...line.matchAll(FOLDER)].flatMap(([, name = '']) =>
    isThere(tree, path, name) ? [] : [`${name} does not exist`],
  )
}

/** From the root, or from the package that the file belongs to. Not `docs/sources/…`: manuals of other projects. */
function isThere(tree: Tree, path: string, name: string): boolean {
  const [top = '', folder = ''] = path.split('/')
  return (
    tree.has(name) ||
    tree.has(`${top}/${folder}/${name}`) ||
    tree.has(`${top}/${name}`) ||
    name.startsWith('docs/sources/')
  )
}

function scriptFaults(path: string, line: string, scripts: Readonly<Record<string, string>>): string[] {
  if (MADE_UP.test(path) || MADE_UP_IN_TESTS.test(path) || !/\.(md|ts|ya?ml|sh|json)$/.test(path)) return []
  return [...line.matchAll(SCRIPT)].flatMap(([, name = '']) =>
    OWN.has(name) || name in scripts ? [] : [`package.json has no script ${name}`],
  )
}
