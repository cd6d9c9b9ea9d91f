import { REPOSITORY_ROOT } from '@reference/cli'
import t from 'tap'
import { hasPart, PARTS, removeParts } from './parts.ts'
import { NAMES_PARTS, removePart } from './remove.ts'
import { Tree } from './tree.ts'

const isWhole = PARTS.every((part) => hasPart(new Tree(REPOSITORY_ROOT), part))

t.test('every edit of a part finds its place', { skip: !isWhole && 'a part is removed' }, async (t) => {
  for (const part of PARTS)
    t.strictSame(removePart(new Tree(REPOSITORY_ROOT), part).join('\n'), '', part.name)
})

t.test('nothing names a part after its removal', async (t) => {
  for (const part of PARTS) {
    const tree = new Tree(REPOSITORY_ROOT)
    if (!hasPart(tree, part)) continue
    removeParts(tree, [part.name])
    const left = tree
      .paths()
      .filter((path) => !NAMES_PARTS.test(path) && !isGenerated(path) && part.words.test(tree.read(path)))
    t.same(left, [], part.name)
  }
})

/** Written anew by `pnpm generate` after a removal. */
const isGenerated = (path: string) =>
  /^(\.env\.example|docs\/(SETTINGS|COMMANDS|FAULTS)\.md|README\.md|infra\/grafana\/dashboards\/.*)$/.test(
    path,
  )
