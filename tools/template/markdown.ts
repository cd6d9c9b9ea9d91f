const WIDTH = 150

/** Whether a text names the part: by a word, or by a link to a deleted file. */
export type Words = Pick<RegExp, 'test'>

/** Removes table rows, list items, sections and sentences that name a part. */
export function removeFromMarkdown(text: string, words: Words): string {
  const blocks = withoutSections(text, words)
    .trimEnd()
    .split(/\n{2,}/)
  const left = blocks
    .flatMap((block, index) => {
      if (!words.test(block)) return [block]
      const reduced = reduceBlock(block, words)
      // A table without rows, and the sentence that announces it, are gone as well.
      return reduced.trim() === '' && index > 0 ? [] : [reduced]
    })
    .join('\n\n')
  return `${left}\n`
}

/** A heading that names the part takes its section with it, down to the next heading of the same or a higher level. */
function withoutSections(text: string, words: Words): string {
  const kept: string[] = []
  let removedLevel = 0
  let isCode = false
  for (const line of text.split('\n')) {
    if (line.startsWith('```')) isCode = !isCode
    const level = isCode ? 0 : (/^(#{2,6}) /.exec(line)?.[1]?.length ?? 0)
    if (level > 0 && removedLevel > 0 && level <= removedLevel) removedLevel = 0
    if (level > 0 && removedLevel === 0 && words.test(line)) removedLevel = level
    if (removedLevel === 0) kept.push(line)
  }
  return kept.join('\n')
}

function reduceBlock(block: string, words: Words): string {
  const lines = block.split('\n')
  const [first = '', ...rest] = lines
  if (first.startsWith('#')) return `${first}\n${reduceBlock(rest.join('\n'), words)}`.trimEnd()
  if (lines.some((line) => line.startsWith('|'))) {
    const rows = lines.filter((line) => !words.test(line) || isAboutOthers(line))
    // `pnpm generate` fills a table between comments anew.
    const isLeft = (line: string) =>
      line.startsWith('<!--') || (line.startsWith('|') && !isHeader(line, lines))
    return rows.some(isLeft) ? rows.join('\n') : ''
  }
  if (lines[0]?.startsWith('```'))
    return words.test(lines[0]) ? '' : lines.filter((line) => !words.test(line)).join('\n')
  if (/^\s*([-*]|\d+\.) /.test(lines[0] ?? '')) return withoutItems(lines, words).join('\n')
  return withoutSentences(block, words)
}

function isHeader(line: string, lines: readonly string[]): boolean {
  return lines[lines.indexOf(line) + 1]?.startsWith('|-') === true || line.startsWith('|-')
}

/** A row about a project of others, which may well use what this repository does not. */
export function isAboutOthers(line: string): boolean {
  return /^\| \[[^\]]+\]\(https:\/\/github\.com/.test(line)
}

/** Changes a document without its rows about projects of others. */
export function exceptOthers(text: string, change: (text: string) => string): string {
  const parts = text.split(/^(\| \[[^\]]+\]\(https:\/\/github\.com.*)$/m)
  return parts.map((part) => (isAboutOthers(part) ? part : change(part))).join('')
}

/** Items lose the sentences that name the part; an item whose first sentence does is removed. */
function withoutItems(lines: readonly string[], words: Words): string[] {
  const items: string[][] = []
  for (const line of lines) {
    if (/^\s*([-*]|\d+\.) /.test(line) || items.length === 0) items.push([line])
    else items.at(-1)?.push(line)
  }
  const kept = items.flatMap((item) => {
    const text = item.join('\n')
    if (!words.test(text)) return item
    const left = withoutSentences(text, words)
    return /^\s*([-*]|\d+\.) \S/.test(left) ? left.split('\n') : []
  })
  let number = 0
  return kept.map((line) => line.replace(/^\d+(?=\. )/, () => String(++number)))
}

function withoutSentences(block: string, words: Words): string {
  const sentences = block.replaceAll(/\n\s*/g, ' ').split(/(?<=[.!?])\s+(?=[A-Z`[*])/)
  const left = sentences.filter((sentence) => !words.test(sentence))
  if (left.length === 0) return ''
  const indent = /^\s*(?:[-*]|\d+\.) /.exec(block)?.[0].length ?? 0
  return wrapped(left.join(' '), indent)
}

function wrapped(text: string, indent: number): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > WIDTH) {
      lines.push(line)
      line = ' '.repeat(indent) + word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].join('\n')
}
