import t from 'tap'
import { bytes, percent, table } from './table.ts'

t.test('figures stand at the right, with their units; words at the left', async (t) => {
  const text = table(
    ['server', 'keys', 'used', 'hits', 'state'],
    [
      ['one', 7, bytes(1536), percent(1, 3), 'ok'],
      ['eleven', 1200, bytes(3 * 1024 ** 2), percent(0, 0), 'loading'],
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
  t.equal(table(['name', 'rows'], []), 'name  rows\n')
})

t.test('one word in a column makes it one of words', async (t) => {
  const text = table(
    ['ms', 'state'],
    [
      ['1', 'ok'],
      ['away', 'x'],
    ],
  )
  t.equal(text, 'ms    state\n1     ok\naway  x\n')
})
