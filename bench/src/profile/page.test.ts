import { parseHTML } from 'linkedom'
import t from 'tap'
import type { Frame } from './call-tree.ts'
import { renderProfile } from './page.ts'

const leaf = (name: string, self: number, origin: Frame['origin'] = 'own'): Frame => ({
  name,
  place: `packages/${name}.ts:1`,
  origin,
  self,
  total: self,
  children: [],
})

t.test('the page has a box for each visible function, at its place, and escapes names', async (t) => {
  const child = leaf('<b>', 40)
  const handle = { ...leaf('handle', 20), total: 60, children: [child] }
  const cpu: Frame = {
    ...{ name: 'all', place: '', origin: 'engine', self: 0, total: 100 },
    children: [handle, leaf('send', 39.99, 'package'), leaf('narrow', 0.01)],
  }
  const html = renderProfile({ title: 'A & B', facts: ['1 core'], cpu, allocations: leaf('all', 0) })
  const { document } = parseHTML(html)
  t.equal(document.querySelector('h1')?.textContent, 'A & B')
  const boxes = [...document.querySelectorAll('#cpu button')].map((box) => [
    box.textContent,
    box.getAttribute('data-l'),
    box.getAttribute('data-w'),
    box.getAttribute('aria-level'),
  ])
  t.same(boxes, [
    ['all', '0.00000', '1.00000', '1'],
    ['handle', '0.00000', '0.60000', '2'],
    ['<b>', '0.00000', '0.40000', '3'],
    ['send', '0.60000', '0.39990', '2'],
  ])
  t.notMatch(html, /https?:\/\//, 'no access to the network')
})
