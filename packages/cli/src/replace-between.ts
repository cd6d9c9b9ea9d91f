/**
 * Replaces the lines of a document between `<!-- name:start -->` and `<!-- name:end -->`.
 *
 * @throws Error when the document has no such lines
 */
export function replaceBetween(text: string, name: string, content: string): string {
  const [start, end] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`]
  const from = text.indexOf(start)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`There is no ${start} … ${end}`)
  return `${text.slice(0, from + start.length)}\n${content}${text.slice(to)}`
}
