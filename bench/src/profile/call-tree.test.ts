import t from 'tap'
import { allocationTree, callTree, heaviest, shares } from './call-tree.ts'

const frame = (functionName: string, url = '', lineNumber = 0) => ({ functionName, url, lineNumber })
const ROOT = 'file:///repo/'

t.test('a profile becomes a tree of functions, without idle time', async (t) => {
  const { tree, idle } = callTree(
    {
      nodes: [
        { id: 1, callFrame: frame('(root)'), children: [2, 3, 4, 6] },
        { id: 2, callFrame: frame('(idle)') },
        { id: 3, callFrame: frame('handle', 'file:///repo/packages/http/src/a.ts', 9), children: [5] },
        { id: 4, callFrame: frame('(garbage collector)') },
        { id: 5, callFrame: frame('send', 'file:///repo/node_modules/.pnpm/x@1/node_modules/@a/x/i.js', 3) },
        { id: 6, callFrame: frame('handle', 'file:///repo/packages/http/src/a.ts', 9) },
      ],
      samples: [2, 3, 5, 4, 6],
      timeDeltas: [1000, 10, 30, 20, 40],
    },
    ROOT,
  )
  t.equal(idle, 1000)
  t.equal(tree.total, 100)
  t.match(tree.children, [
    {
      name: 'handle',
      place: 'packages/http/src/a.ts:10',
      origin: 'own',
      self: 50,
      total: 80,
      children: [{ name: 'send', place: '@a/x', origin: 'package', total: 30 }],
    },
    { name: '(garbage collector)', origin: 'engine', total: 20 },
  ])
  t.match(heaviest(tree, 1), [{ name: 'handle', self: 50 }])
  t.same(shares(tree), { own: 0.5, package: 0.3, node: 0, engine: 0.2 })
})

t.test('allocations are summed by function', async (t) => {
  const tree = allocationTree(
    {
      callFrame: frame('(root)'),
      selfSize: 0,
      children: [{ callFrame: frame('read', 'node:fs', 1), selfSize: 5, children: [] }],
    },
    ROOT,
  )
  t.match(tree, { total: 5, children: [{ name: 'read', place: 'node:fs', origin: 'node', self: 5 }] })
})
