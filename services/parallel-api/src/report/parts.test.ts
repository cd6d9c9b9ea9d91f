import t from 'tap'
import { createParts, type IdRange } from './parts.ts'

function drain(range: IdRange, size: number, ordersIn: (part: IdRange) => number): IdRange[] {
  const parts = createParts(range, size)
  const all: IdRange[] = []
  for (let part = parts.next(); part !== undefined; part = parts.next()) {
    all.push(part)
    parts.held(part, ordersIn(part))
  }
  return all
}

t.test('cuts a range into pieces that cover every id once', async (t) => {
  t.same(
    drain({ from: 1, to: 25 }, 10, ({ from, to }) => to - from + 1),
    [
      { from: 1, to: 10 },
      { from: 11, to: 20 },
      { from: 21, to: 25 },
    ],
  )
})

t.test('goes through a hole in wide steps without a gap, and is narrow again behind it', async (t) => {
  const end = 1_000_000
  const all = drain({ from: 1, to: end }, 100, ({ from, to }) => (from > 900_000 ? to - from + 1 : 0))
  const gaps = all.filter((part, index) => part.from !== (all[index - 1]?.to ?? 0) + 1)
  t.same(gaps, [])
  t.equal(all.at(-1)?.to, end)
  const widths = all.map(({ from, to }) => to - from + 1)
  t.equal(Math.max(...widths), 6400)
  t.equal(widths.at(-2), 100)
})
