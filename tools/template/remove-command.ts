import { action, CommandError, REPOSITORY_ROOT, UsageError } from '@reference/cli'
import { formatFiles, removeUnusedDeclarations, removeUnusedImports } from './format-files.ts'
import { hasPart, PARTS, removeParts } from './parts.ts'
import { Tree } from './tree.ts'

export const removeCommand = action({
  summary: 'Remove parts with everything that names them.',
  positionals: { placeholder: 'PART…', help: PARTS.map(({ name }) => name).join(', '), minimum: 1 },
  details: `Deletes the files of a part, and edits manifests, compose files, settings, documents, tests and the scripts of .ci and .github, so that
pnpm check and the tests that are left pass. pnpm template list shows the parts. pnpm check names reports what still names a removed part.

Commit before it. After it: pnpm install, pnpm generate, pnpm check, and commit.`,
  run(_, names) {
    const tree = new Tree(REPOSITORY_ROOT)
    for (const name of names) {
      const part = PARTS.find((each) => each.name === name)
      if (part === undefined) throw new UsageError(`There is no part '${name}'`)
      if (!hasPart(tree, part)) throw new CommandError(`The part ${name} is removed already`)
    }
    removeParts(tree, names)
    const { deletedFiles, changedFiles, lessLines } = tree.difference()
    const changed = tree.changedPaths()
    tree.flush()
    removeUnusedImports(changed)
    removeUnusedDeclarations(changed)
    formatFiles(changed)
    process.stdout.write(
      `${deletedFiles} files were deleted and ${changedFiles} changed: ${lessLines} lines less. Now: pnpm install && pnpm generate && pnpm check\n`,
    )
    return undefined
  },
})
