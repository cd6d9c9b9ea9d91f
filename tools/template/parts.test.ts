import { REPOSITORY_ROOT } from '@reference/cli'
import t from 'tap'
import { isAboutOthers } from './markdown.ts'
import { hasPart, PARTS, removeParts } from './parts.ts'
import { NAMES_PARTS, removePart } from './remove.ts'
import { Tree } from './tree.ts'

const isWhole = PARTS.every((part) => hasPart(new Tree(REPOSITORY_ROOT), part))

/** Written anew by `pnpm generate` after a removal. */
const GENERATED =
  /^(\.env\.example|docs\/(SETTINGS|COMMANDS|FAULTS)\.md|infra\/grafana\/dashboards\/.*|services\/.*(openapi\.json|\.openapi\.ts))$/

for (const part of PARTS) {
  t.test(`${part.name}: nothing names it after its removal`, async (t) => {
    const tree = new Tree(REPOSITORY_ROOT)
    if (!hasPart(tree, part)) return
    const unmatched = removePart(tree, part)
    if (isWhole) t.equal(unmatched.join('\n'), '', 'every edit finds its place')
    if (part.members !== undefined) removeParts(tree, part.members)
    const left = tree.paths()
    t.same(
      left.filter((path) => isNamed(tree, path, part.words)),
      [],
    )
    const deleted = new Set(new Tree(REPOSITORY_ROOT).paths().filter((path) => !left.includes(path)))
    const reads = left.filter((path) => path.endsWith('.ts') && namesOneOf(deleted, tree.read(path)))
    t.same(
      reads.filter((path) => !NAMES_PARTS.test(path)),
      [],
      'nothing reads a deleted file',
    )
  })
}

function isNamed(tree: Tree, path: string, words: RegExp): boolean {
  if (NAMES_PARTS.test(path) || GENERATED.test(path) || !words.test(tree.read(path))) return false
  const lines = tree.read(path).split('\n')
  return lines.some((line) => words.test(line) && !isAboutOthers(line))
}

function namesOneOf(deleted: ReadonlySet<string>, text: string): boolean {
  const paths = text.match(/(?<![\w./])(?:[\w.-]+\/)+[\w.-]+\.\w+/g) ?? []
  return paths.some((path) => deleted.has(path))
}
