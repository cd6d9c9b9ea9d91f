import { action, formatTable, REPOSITORY_ROOT } from '@reference/cli'
import { hasPart, PARTS, removeParts } from './parts.ts'
import { Tree } from './tree.ts'

export const listCommand = action({
  summary: 'List the parts that can be removed, with their cost in files and lines.',
  details: `Each row is the result of a removal in memory: the files that would be deleted, the files that would change, and by how many lines
the repository would be shorter. A part whose members are parts themselves, such as systems, is counted with them.`,
  run() {
    const present = PARTS.filter((part) => hasPart(new Tree(REPOSITORY_ROOT), part))
    const rows = present.map(({ name, summary }) => {
      const tree = new Tree(REPOSITORY_ROOT)
      removeParts(tree, [name])
      const { deletedFiles, changedFiles, lessLines } = tree.difference()
      return [name, String(deletedFiles), String(changedFiles), String(lessLines), summary]
    })
    process.stdout.write(formatTable(['part', 'files', 'changed', 'lines', 'what it is'], rows))
    return undefined
  },
})
