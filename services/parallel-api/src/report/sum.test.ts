import t from 'tap'
import { GROUP_FIELDS, MAX_GROUPS } from './groups.ts'
import { type Categories, sumChunk } from './sum.ts'
import { sortedNames, writeReport } from './write.ts'

function products(...pairs: [id: number, category: number][]): Categories {
  return {
    ids: Int32Array.from(pairs, ([id]) => id),
    categories: Int32Array.from(pairs, ([, category]) => category),
  }
}

const sum = (orders: string, categories: Categories) =>
  Array.from(sumChunk({ orders: Buffer.from(orders), products: categories }))

t.test('sums orders by category and day', async (t) => {
  const categories = products([1, 0], [2, 1], [3, 0])
  t.same(
    sum('1,20000,100;2,20000,50;3,20000,1;1,20001,7', categories),
    [0, 20000, 2, 101, 0, 1, 20000, 1, 50, 0, 0, 20001, 1, 7, 0],
  )
})

t.test('a chunk without orders has no groups', async (t) => {
  t.same(sum('', products([1, 0])), [])
})

t.test('days before 1970 and large sums are exact', async (t) => {
  const large = '4503599627370496'
  t.same(sum(`1,-1,${large};1,-1,4503599627370495`, products([1, 0])), [0, -1, 2, 7199254740991, 9])
  // Past 2^53, where a number alone would lose the last digits.
  const most = '9007199254740991'
  t.same(sum(Array(7).fill(`1,-1,${most}`).join(';'), products([1, 0])), [0, -1, 7, 50394783186937, 63])
  const carried = sum('1,1,999999999999999;1,1,1;1,1,5', products([1, 0]))
  t.same(carried, [0, 1, 3, 5, 1])
  const lanes = [Float64Array.from(carried), Float64Array.of(0, 1, 1, 999_999_999_999_999, 9)]
  t.match(
    Buffer.from(writeReport({ engine: 'workers', lanes, names: ['a'] })).toString(),
    '"revenueCents":11000000000000004}',
  )
})

t.test('product ids may have gaps', async (t) => {
  const categories = products([3, 7], [10, 8], [11, 9], [400, 10], [2_147_483_647, 11])
  t.same(
    sum('3,1,1;10,1,1;11,1,1;400,1,1;2147483647,1,1', categories),
    [7, 8, 9, 10, 11].flatMap((category) => [category, 1, 1, 1, 0]),
  )
  for (const absent of [1, 4, 12, 399, 401, 2_147_483_646]) {
    t.throws(() => sum(`${absent},1,1`, categories), { message: `product ${absent} has no category` })
  }
})

t.test('the number of groups is limited, the number of orders is not', async (t) => {
  const categories = products([1, 0])
  const days = Array.from({ length: MAX_GROUPS }, (_, day) => `1,${day},1`).join(';')
  t.equal(sum(`${days};1,0,1`, categories).length, GROUP_FIELDS * MAX_GROUPS)
  t.throws(() => sum(`${days};1,${MAX_GROUPS},1`, categories), { code: 'REPORT_TOO_LARGE', statusCode: 500 })
  const halves = [
    sumChunk({ orders: Buffer.from(days), products: categories }),
    Float64Array.of(0, -1, 1, 1, 0),
  ]
  t.throws(() => writeReport({ engine: 'workers', lanes: halves, names: ['a'] }), {
    code: 'REPORT_TOO_LARGE',
  })
})

t.test('adds to the groups of the previous chunks', async (t) => {
  const categories = products([1, 0], [2, 1])
  const before = sumChunk({ orders: Buffer.from('1,1,10;2,1,5'), products: categories })
  const sums = sumChunk({ orders: Buffer.from('2,1,1;1,2,3'), products: categories, before })
  t.same(Array.from(sums), [0, 1, 1, 10, 0, 1, 1, 2, 6, 0, 0, 2, 1, 3, 0])
})

t.test('the report merges the lanes, sorted by the bytes of the category and by day', async (t) => {
  const names = sortedNames(['\u{1f600}', 'b', '\uffee', 'a', 'b'])
  t.same(names, ['a', 'b', '\uffee', '\u{1f600}'])
  const lanes = [
    Float64Array.of(1, 20484, 1, 5, 0, 0, 20484, 2, 7, 0),
    Float64Array.of(1, 20483, 1, 1, 0, 1, 20484, 1, 6, 0),
  ]
  t.same(JSON.parse(Buffer.from(writeReport({ engine: 'workers', lanes, names })).toString()), {
    engine: 'workers',
    rows: [
      { category: 'a', day: '2026-01-31', orders: 2, revenueCents: 7 },
      { category: 'b', day: '2026-01-30', orders: 1, revenueCents: 1 },
      { category: 'b', day: '2026-01-31', orders: 2, revenueCents: 11 },
    ],
  })
})
