import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'

/**
 * A document with new lines between `<!-- name:start -->` and `<!-- name:end -->`.
 *
 * @param path in the repository
 * @throws Error when the document has no such lines
 */
export function withBlock(path: string, name: string, content: string): string {
  const text = readFileSync(join(REPOSITORY_ROOT, path), 'utf8')
  const [start, end] = [`<!-- ${name}:start -->\n`, `<!-- ${name}:end -->`]
  const [from, to] = [text.indexOf(start), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${path} has no ${start.trim()} … ${end}`)
  return `${text.slice(0, from + start.length)}${content}${text.slice(to)}`
}
