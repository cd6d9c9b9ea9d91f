import { dirname, join, normalize } from 'node:path'
import { removeEntries, removeMarked } from './blocks.ts'
import { removeFromLists, removeFromSentences } from './lists.ts'
import { exceptOthers, removeFromMarkdown, type Words } from './markdown.ts'
import type { Part } from './part.ts'

/** Keys and items of these files are removed by their indentation. */
const INDENTED = /\.(ya?ml|env|ini|conf|cnf)$/

/** Takes names out of a text: properties, declarations and elements of lists. */
export function withoutNames(path: string, text: string, names: readonly string[], words?: RegExp): string {
  const left = /\.(ts|json)$/.test(path)
    ? removeEntries(
        text,
        (line, next) =>
          isProperty(line, names) ||
          isDeclaration(line, names) ||
          (words !== undefined && isAbout(line, next, words)),
      )
    : text
  const reduced = names.reduce(removeFromLists, left)
  return path.endsWith('.json') ? reduced.replaceAll(/,(\s*[\]}])/g, '$1') : reduced
}

/** What a removal has changed so far. */
export interface Removed {
  /** Whether a path from the root was deleted. */
  isGone(target: string): boolean
  /** Whether this file imported something that was deleted: then it may use names that no longer exist. */
  readonly hasLostImports: boolean
}

/** Takes what names a part out of a text, by rules that hold for every part. */
export function reduceText(
  path: string,
  text: string,
  part: Part,
  { isGone, hasLostImports }: Removed = { isGone: () => false, hasLostImports: false },
): string {
  const { name, names, words } = part
  let reduced = removeMarked(text, name)
  const named = path.endsWith('.md') ? withLinks(path, words, isGone) : words
  if (!hasLostImports && !named.test(reduced)) return reduced
  reduced = withoutNames(path, reduced, names, words)
  if (path.endsWith('.md'))
    return removeFromMarkdown(
      exceptOthers(reduced, (text) => withoutTitles(text, part)),
      named,
    )
  reduced = reduced
    .split('\n')
    .map((line) => (COMMENT.test(line) ? withoutTitles(line, part) : line))
    .filter((line) => !(isSentence(line) && words.test(line)))
    .join('\n')
  if (INDENTED.test(path)) {
    reduced = reduced
      .split('\n')
      .map((line) => withoutRemark(line, words))
      .join('\n')
    return removeEntries(reduced, (line) => words.test(line) && !COMMENT.test(line))
  }
  return reduced
}

/** Words, a link to a file that is gone, or its path: from the root, or from the folder of the package. */
function withLinks(path: string, words: RegExp, isGone: (target: string) => boolean): Words {
  const home = path.split('/').slice(0, 2).join('/')
  return {
    test(text) {
      const links = [...text.matchAll(/\]\(([^)\s#:]+)[^):]*\)/g)].map(([, link = '']) =>
        join(dirname(path), link),
      )
      const paths = [...text.matchAll(/(?<![\w./-])(?:[\w.-]+\/)+[\w.-]+\.\w+/g)].flatMap(([name]) => [
        name,
        join(home, name),
      ])
      return words.test(text) || [...links, ...paths].some((target) => isGone(normalize(target)))
    },
  }
}

/** A setting stays when only the comment behind it names the part. */
function withoutRemark(line: string, words: RegExp): string {
  const [, setting = ''] = /^(\s*[^#\s][^#]*?)\s+# /.exec(line) ?? []
  return setting !== '' && words.test(line) && !words.test(setting) ? setting : line
}

const COMMENT = /^\s*(#|;|\/\/|\/\*\*|\*)/

/** A line of a comment that is a sentence of its own, or a row of a list. */
function isSentence(line: string): boolean {
  return /^\s*(#|;|\/\/|\*) [A-Z].*[.:]$/.test(line) || /^\s*[#;] {2,}\S/.test(line)
}

function withoutTitles(text: string, { titles = [] }: Part): string {
  return titles.reduce((left, title) => removeFromSentences(left, title), text)
}

/** `const name: Type = {` */
function isDeclaration(line: string, names: readonly string[]): boolean {
  const [, name] = /^\s*(?:export )?(?:const|function|async function) (\w+)/.exec(line) ?? []
  return name !== undefined && names.includes(name)
}

/** A test whose title names the part, or an object of a list whose first property does. */
function isAbout(line: string, next: string, words: RegExp): boolean {
  return /^\s*t\.test\($/.test(line) || /^\s*\{$/.test(line)
    ? words.test(next)
    : /^\s*t\.test\('/.test(line) && words.test(line)
}

/** A property, an element or a call in a list that begins with the name, as Biome formats them: `name: {`, `'name',`, `['name', 1],`. */
function isProperty(line: string, names: readonly string[]): boolean {
  const [, call = '', , key] =
    /^\s+(?:readonly )?([\w.]+\(|\[|\{ name: )?(['"]?)([\w.:/-]+?)\2(?:\??: |,|\(| \{)/.exec(line) ?? []
  return key !== undefined && names.includes(key) && (!call.endsWith('(') || line.endsWith(','))
}
