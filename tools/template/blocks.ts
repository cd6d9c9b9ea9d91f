/**
 * Removes each entry whose first line is chosen: the line, the more indented lines below it, the bracket that closes it, and the
 * comment above it. In YAML that is a key or an item, in TypeScript a property, a statement or a test.
 */
export function removeEntries(
  text: string,
  isHead: (line: string, next: string, index: number) => boolean,
): string {
  const lines = text.split('\n')
  const kept: string[] = []
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? ''
    if (!isHead(line, lines[index + 1] ?? '', index)) {
      kept.push(line)
      continue
    }
    const end = endOfEntry(lines, index)
    const after = lines[end] ?? ''
    // A comment above several entries of one line stays with the others.
    const hasSibling = indentOf(after) === indentOf(line) && !isBlank(after) && !COMMENT.test(after)
    const isOneOfMany = end === index + 1 && hasSibling
    dropComment(kept, indentOf(line), isOneOfMany ? (text) => isHead(text, '', -1) : () => true)
    index = end - 1
    // Of the blank lines around it one is left.
    if (isBlank(kept.at(-1) ?? '') && isBlank(lines[index + 1] ?? '')) index++
  }
  return kept.join('\n')
}

/** Removes the blocks between `part:NAME` and `end:NAME`, and the lines that end with `part:NAME` in a comment. */
export function removeMarked(text: string, name: string): string {
  if (!text.includes('part:')) return text
  const mark = (kind: string) =>
    new RegExp(`(//|#|<!--|/\\*|;|--) ${kind}:([\\w-]+,)*${name}(,[\\w-]+)*( -->| \\*/)?$`)
  const [start, end] = [mark('part'), mark('end')]
  const kept: string[] = []
  let isInside = false
  let hasEnded = false
  for (const line of text.split('\n')) {
    if (end.test(line)) {
      isInside = false
      hasEnded = true
      continue
    }
    const isSecondBlank = hasEnded && isBlank(line) && isBlank(kept.at(-1) ?? '')
    hasEnded = false
    if (isInside || isSecondBlank) continue
    const found = start.exec(line)
    if (found === null) kept.push(line)
    // A mark on a line of its own opens a block; behind code it stands for the line.
    else isInside = line.slice(0, found.index).trim() === ''
  }
  if (isInside) throw new Error(`A block part:${name} does not end`)
  return kept.join('\n')
}

const COMMENT = /^\s*(#(?!!)|\/\/|\/\*\*|\*|;)/

function endOfEntry(lines: readonly string[], start: number): number {
  const indent = indentOf(lines[start] ?? '')
  let end = start + 1
  for (let next = end; next < lines.length; next++) {
    const line = lines[next] ?? ''
    if (isBlank(line)) continue
    if (indentOf(line) <= indent) break
    end = next + 1
  }
  const after = lines[end] ?? ''
  return end > start + 1 && indentOf(after) === indent && /^\s*([\])}]|(done|fi|esac)$)/.test(after)
    ? end + 1
    : end
}

function dropComment(kept: string[], indent: number, isDropped: (line: string) => boolean): void {
  while (true) {
    const above = kept.at(-1) ?? ''
    const isComment = COMMENT.test(above) && !/\b(part|end):/.test(above)
    if (!isComment || Math.abs(indentOf(above) - indent) > 1 || !isDropped(above)) return
    kept.pop()
  }
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length
}

function isBlank(line: string): boolean {
  return line.trim() === ''
}
