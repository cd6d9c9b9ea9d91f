/** The anchors that GitHub gives to the headings of a Markdown file. */
export function anchorsOf(markdown: string): Set<string> {
  const seen = new Map<string, number>()
  const anchors = new Set<string>()
  const withoutCode = markdown.replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, '')
  for (const [, heading = ''] of withoutCode.matchAll(/^#{1,6}\s+(.*?)\s*#*$/gm)) {
    const slug = slugOf(heading)
    const earlier = seen.get(slug) ?? 0
    seen.set(slug, earlier + 1)
    anchors.add(earlier === 0 ? slug : `${slug}-${earlier}`)
  }
  return anchors
}

/** Lower case, the text of links only, spaces as hyphens; of the rest only letters, digits, `-` and `_` stay. */
function slugOf(heading: string): string {
  return heading
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '')
    .replaceAll(' ', '-')
}
