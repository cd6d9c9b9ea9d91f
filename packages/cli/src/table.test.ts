import t from 'tap'
import { excerpt, formatBytes, formatPercent, formatTable } from './table.ts'

t.test('figures are right-aligned with their units, words are left-aligned', async (t) => {
  const text = formatTable(
    ['server', 'keys', 'used', 'hits', 'state'],
    [
      ['one', 7, formatBytes(1536), formatPercent(1, 3), 'ok'],
      ['eleven', 1200, formatBytes(3 * 1024 ** 2), formatPercent(0, 0), 'loading'],
    ],
  )
  t.equal(
    text,
    [
      'server  keys    used    hits  state',
      'one        7  1.5 kB  33.3 %  ok',
      'eleven  1200  3.0 MB       –  loading',
      '',
    ].join('\n'),
  )
})

t.test('a table without rows is its head', async (t) => {
  t.equal(formatTable(['name', 'rows'], []), 'name  rows\n')
})

t.test('one word makes its column left-aligned', async (t) => {
  const rows = [
    ['1', 'ok'],
    ['down', 'x'],
  ]
  t.equal(formatTable(['ms', 'state'], rows), 'ms    state\n1     ok\ndown  x\n')
})

t.test('an excerpt is one line of at most 160 characters', async (t) => {
  t.equal(excerpt('select 1,\n   2'), 'select 1, 2')
  t.equal(excerpt('x'.repeat(200)).length, 160)
})
