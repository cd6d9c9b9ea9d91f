import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { scenarios } from '@reference/bench/scenarios'
import { REPOSITORY_ROOT } from '@reference/cli'
import t from 'tap'
import { anchorsOf } from './anchors.ts'

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
