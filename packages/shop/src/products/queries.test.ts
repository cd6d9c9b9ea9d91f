import { MAX_ID } from '@reference/http/schemas'
import t from 'tap'
import { open } from '../testing/open.ts'
import { rowsOf } from '../testing/rows.ts'
import type { Product } from './model.ts'
import { productsByIds, productsPage } from './queries.ts'

t.test('products are read by their ids', async (t) => {
  const { primary } = (await open(t)).database
  t.same((await primary.run(productsByIds, { ids: [3, 1, 999_999] })).map(({ id }) => id).sort(), [1, 3])
  t.same(await primary.run(productsByIds, { ids: [] }), [])
})

t.test('pages of products end where the rows do', async (t) => {
  const { primary } = (await open(t)).database
  let count = 0
  for (let after: number | undefined = 0; after !== undefined; ) {
    const rows: Product[] = await rowsOf(primary, productsPage, { after, limit: 99 })
    count += rows.length
    after = rows.at(-1)?.id
  }
  t.equal(count, 100)
})

t.test('a list is byte for byte what JSON.stringify makes', async (t) => {
  const { primary } = (await open(t)).database
  const awkward = '" \\ / \b\f\n\r\t \u0001\u001f\u007f é 🙂 \u2028 </script>'
  await primary.sql`update products set name = ${awkward}::text where id = 2`
  const limit = 50
  const ids = Array.from({ length: limit }, (_, index) => index + 1)
  const rows = (await primary.run(productsByIds, { ids })).sort((one, other) => one.id - other.id)
  const bytes = await primary.bytes(productsPage, { after: 0, limit })
  t.equal(String(productsPage.encode(bytes)), JSON.stringify(rows))
  t.equal(String(productsPage.encode(await primary.bytes(productsPage, { after: MAX_ID, limit }))), '[]')
})
