import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import t from 'tap'
import { scenarios } from './index.ts'

/** The anchors that GitHub gives to the headings of a Markdown file. */
function anchorsOf(markdown: string): Set<string> {
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

t.test('anchors follow the rules of GitHub', async (t) => {
  const markdown = [
    '# The guide’s quick wins, measured',
    '## A repeated request: `idempotency-key`',
    '## `pnpm dev` and `pnpm start`',
    '### [packages/http](../x.md) & more_words',
    '## Same',
    '## Same',
    '```sh',
    '# no heading',
    '```',
  ].join('\n')
  t.same(
    [...anchorsOf(markdown)],
    [
      'the-guides-quick-wins-measured',
      'a-repeated-request-idempotency-key',
      'pnpm-dev-and-pnpm-start',
      'packageshttp--more_words',
      'same',
      'same-1',
    ],
  )
})

t.test('every variant links to code that exists and to a heading of the documentation', async (t) => {
  for (const scenario of scenarios) {
    for (const variant of scenario.variants) {
      const name = `${scenario.name}: ${variant.name}`
      const links = variant.links ?? scenario.links
      t.ok(links, `${name} has links`)
      if (links === undefined) continue
      t.ok(existsSync(join(REPOSITORY_ROOT, links.code)), `${name}: ${links.code}`)
      const [file = '', anchor = ''] = links.docs.split('#')
      const path = join(REPOSITORY_ROOT, file)
      t.ok(existsSync(path) && anchorsOf(readFileSync(path, 'utf8')).has(anchor), `${name}: ${links.docs}`)
    }
    t.ok(scenario.links, `${scenario.name} has links`)
  }
})
