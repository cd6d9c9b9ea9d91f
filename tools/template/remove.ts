import { dirname, join, normalize } from 'node:path'
import { removeEntries, removeMarked } from './blocks.ts'
import { escaped } from './lists.ts'
import { removeManifestEntries, removeUnusedDependencies, usedSpecifiers } from './manifests.ts'
import type { Edit, Part } from './part.ts'
import { reduceText, withoutNames } from './reduce.ts'
import type { Tree } from './tree.ts'

/** Files that name parts on purpose: history, recorded figures, and this tool. */
export const NAMES_PARTS =
  /^(CHANGELOG\.md|docs\/MAKE-IT-YOURS\.md|bench\/baselines\/.*|pnpm-lock\.yaml|packages\/shop\/migrations\/.*|tools\/template\/.*|tests\/template\/.*)$/

/**
 * Removes a part from a tree: its files, the imports and manifest entries that lead to them, and the places that name it.
 *
 * @returns patterns of the part's edits that were nowhere, because the edit is out of date or another removal took their place
 */
export function removePart(tree: Tree, part: Part): string[] {
  const before = usedSpecifiers(tree)
  const { paths, shared = [] } = part
  const present = [...paths, ...shared].flatMap((glob) => tree.paths(glob))
  // With what was removed by hand, so that what names it is found.
  const gone = new Set([...present, ...paths.filter((path) => !/[*{]/.test(path) && !tree.has(path))])
  for (const path of tree.paths()) {
    const text = tree.read(path)
    if (!gone.has(path) && !NAMES_PARTS.test(path) && text.includes(`part:`))
      tree.write(path, removeMarked(text, part.name))
  }
  const unmatched = (part.edits ?? []).flatMap((edit) =>
    applyEdit(tree, edit, gone).map((pattern) => `${edit.files}: ${pattern}`),
  )
  for (const path of new Set(present)) tree.delete(path)
  const packages = removeManifestEntries(tree, gone)
  const folders = new Set([...gone].flatMap(ancestors))
  const isGone = (target: string) => folders.has(target.replace(/\/$/, '')) && !tree.has(target)
  for (const path of tree.paths()) {
    if (NAMES_PARTS.test(path)) continue
    const text = tree.read(path)
    const listed = withoutPaths(path, text, gone, tree)
    const imported = withoutImports(path, listed, gone, packages)
    const reduced = reduceText(path, imported, part, { isGone, hasLostImports: imported !== listed })
    if (reduced !== text) tree.write(path, reduced)
  }
  removeUnusedDependencies(tree, before)
  return unmatched
}

/** Applies the edits of a part. @returns the patterns that are nowhere */
function applyEdit(tree: Tree, edit: Edit, gone: ReadonlySet<string>): (RegExp | string)[] {
  const { files, entries = [], lines = [], names = [], replace = [] } = edit
  const paths = tree.paths(files).filter((path) => !gone.has(path))
  const change = <Pattern>(pattern: Pattern, edited: (text: string, path: string) => string): Pattern[] => {
    let isFound = false
    for (const path of paths) {
      const text = tree.read(path)
      const after = edited(text, path)
      if (after === text) continue
      isFound = true
      tree.write(path, path.endsWith('.json') ? after.replaceAll(/,(\s*[\]}])/g, '$1') : after)
    }
    return isFound ? [] : [pattern]
  }
  const without = (pattern: RegExp) => (text: string) =>
    text
      .split('\n')
      .filter((line) => !pattern.test(line))
      .join('\n')
  return [
    ...entries.flatMap((pattern) =>
      change(pattern, (text) =>
        removeEntries(text, (line, next) =>
          pattern.test(pattern.source.includes('\\n') ? `${line}\n${next}` : line),
        ),
      ),
    ),
    ...replace.flatMap(([pattern, text]) => change(pattern, (before) => before.replace(pattern, text))),
    ...lines.flatMap((pattern) => change(pattern, without(pattern))),
    ...names.flatMap((name) => change(name, (text, path) => withoutNames(path, text, [name]))),
  ]
}

/** Import and export statements, as Biome formats them, that lead to a deleted file or package. */
const STATEMENT = /^(?:import|export)\s(?:type\s)?(?:[^'";]*?\sfrom\s)?'([^']+)'(?: with \{.*\})?\n/gm

function withoutImports(
  path: string,
  text: string,
  gone: ReadonlySet<string>,
  packages: ReadonlySet<string>,
): string {
  if (!path.endsWith('.ts')) return text
  return text.replaceAll(STATEMENT, (statement, specifier: string) => {
    if (specifier.startsWith('.')) return gone.has(normalize(join(dirname(path), specifier))) ? '' : statement
    const name = specifier.split('/').slice(0, 2).join('/')
    return packages.has(name) || packages.has(specifier) ? '' : statement
  })
}

/** Lists of paths, one a line or in brackets: a path to deleted files is removed from them. */
function withoutPaths(path: string, text: string, gone: ReadonlySet<string>, tree: Tree): string {
  if (
    !/(^|\/)(\.gitattributes|\.gitignore|CODEOWNERS\.example|knip\.json|biome\.json|tsconfig\.json|layers\.ts)$/.test(
      path,
    )
  )
    return text
  const folders = new Set([...gone].flatMap((file) => ancestors(file)).filter((folder) => !tree.has(folder)))
  let left = text
  for (const folder of folders) {
    const element = `["']!?${escaped(folder)}(/[^"']*)?["']`
    left = left
      .replaceAll(new RegExp(`^\\/?${escaped(folder)}(/\\S*)?( .*)?\\n`, 'gm'), '')
      .replaceAll(new RegExp(`^\\s*${element},?\\n`, 'gm'), '')
      .replaceAll(new RegExp(`${element}, `, 'g'), '')
      .replaceAll(new RegExp(`,\\s*${element}(?=\\s*\\])`, 'g'), '')
      .replaceAll(new RegExp(`(?<=\\[)${element}(?=\\])`, 'g'), '')
    if (path.endsWith('knip.json'))
      left = removeEntries(left, (line) => new RegExp(`^\\s*"${escaped(folder)}": \\{`).test(line))
  }
  return path.endsWith('.json') ? left.replaceAll(/,(\s*[\]}])/g, '$1') : left
}

function ancestors(file: string): string[] {
  const parts = file.split('/')
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}
