import t from 'tap'
import { createChunks, type IdRange } from './chunks.ts'

function drain(range: IdRange, size: number, ordersIn: (chunk: IdRange) => number): IdRange[] {
  const chunks = createChunks(range, size)
  const all: IdRange[] = []
  for (let chunk = chunks.next(); chunk !== undefined; chunk = chunks.next()) {
    all.push(chunk)
    chunks.contained(chunk, ordersIn(chunk))
  }
  return all
}

t.test('splits a range into chunks that cover every id once', async (t) => {
  t.same(
    drain({ from: 1, to: 25 }, 10, ({ from, to }) => to - from + 1),
    [
      { from: 1, to: 10 },
      { from: 11, to: 20 },
      { from: 21, to: 25 },
    ],
  )
})

t.test(
  'crosses a gap of ids in wide chunks that miss none, and returns to narrow chunks after it',
  async (t) => {
    const end = 1_000_000
    const all = drain({ from: 1, to: end }, 100, ({ from, to }) => (from > 900_000 ? to - from + 1 : 0))
    const gaps = all.filter((chunk, index) => chunk.from !== (all[index - 1]?.to ?? 0) + 1)
    t.same(gaps, [])
    t.equal(all.at(-1)?.to, end)
    const widths = all.map(({ from, to }) => to - from + 1)
    t.equal(Math.max(...widths), 6400)
    t.equal(widths.at(-2), 100)
  },
)
