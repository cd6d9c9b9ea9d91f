import t from 'tap'
import { JsonEncoder, SEPARATOR } from './json-encoder.ts'

const SEPARATOR_TEXT = String.fromCharCode(SEPARATOR)

/** The values of rows as `jsonList` joins them. */
const joined = (...values: (string | number)[]) => Buffer.from(values.join(SEPARATOR_TEXT))

const textOf = (text: string) => [[...text].length, text]

t.test('every kind of value is written, in the order of the members', async (t) => {
  const encoder = new JsonEncoder({
    id: 'json',
    status: 'word',
    name: 'text',
    createdAt: 'timestamp',
    more: 'json',
  })
  const row = [1, 'paid', ...textOf('Zoë'), '2024-05-01 10:20:30.5+00', 'null']
  t.equal(
    String(encoder.encode(joined(...row, ...row))),
    JSON.stringify(
      [1, 1].map((id) => ({
        id,
        status: 'paid',
        name: 'Zoë',
        createdAt: '2024-05-01T10:20:30.500Z',
        more: null,
      })),
    ),
  )
  t.equal(String(encoder.encode(joined())), '[]')
})

t.test(
  'text is escaped as JSON.stringify does, also where it contains the separator or is empty',
  async (t) => {
    const every = Array.from({ length: 0x250 }, (_, code) => String.fromCharCode(code)).slice(1)
    const texts = [
      '',
      ...every,
      every.join(''),
      '🙂',
      '"\\',
      `${SEPARATOR_TEXT}9${SEPARATOR_TEXT}`,
      '\u2028 \ufffd',
      '',
    ]
    for (const encoder of [
      new JsonEncoder({ text: 'text' }),
      new JsonEncoder({ id: 'json', text: 'text' }),
    ]) {
      const hasId = String(encoder.encode(joined(1, 1, 'x'))).includes('id')
      const rows = texts.map((text, id) => (hasId ? { id, text } : { text }))
      const values = texts.flatMap((text, id) => (hasId ? [id, ...textOf(text)] : textOf(text)))
      t.equal(String(encoder.encode(joined(...values))), JSON.stringify(rows))
    }
  },
)

t.test('a timestamp is ISO 8601 in UTC with milliseconds', async (t) => {
  const encoder = new JsonEncoder({ at: 'timestamp' })
  const forms = {
    '2024-02-29 23:59:59+00': '2024-02-29T23:59:59.000Z',
    '2024-02-29 23:59:59.9+00': '2024-02-29T23:59:59.900Z',
    '2024-02-29 23:59:59.98+00': '2024-02-29T23:59:59.980Z',
    '2024-02-29 23:59:59.987+00': '2024-02-29T23:59:59.987Z',
    '2024-02-29 23:59:59.987654+00': '2024-02-29T23:59:59.987Z',
    '2024-02-29 23:59:59+05:30': '2024-02-29T18:29:59.000Z',
    infinity: 'infinity',
  }
  for (const [text, at] of Object.entries(forms))
    t.equal(String(encoder.encode(joined(text, text))), JSON.stringify([{ at }, { at }]), text)
})

t.test('an array that was written stays as it is when the next one is written', async (t) => {
  const encoder = new JsonEncoder({ id: 'json' })
  const first = encoder.encode(joined(1, 2, 3))
  encoder.encode(joined(7, 8, 9))
  t.equal(String(first), '[{"id":1},{"id":2},{"id":3}]')
})

t.test('a page is its rows, the last of them, and whether more follow', async (t) => {
  const encoder = new JsonEncoder({ id: 'json', name: 'text' })
  const rows = ['é', '', '"'].map((name, index) => ({ id: index + 1, name }))
  const input = joined(...rows.flatMap(({ id, name }) => [id, ...textOf(name)]))
  for (const limit of [1, 2, 3, 4]) {
    const items = rows.slice(0, limit)
    const { items: json, lastRow, hasMore } = encoder.encodePage(input, limit)
    t.equal(String(json), JSON.stringify(items))
    t.equal(lastRow, JSON.stringify(items.at(-1)))
    t.equal(hasMore, limit < rows.length)
  }
  const { items, lastRow, hasMore } = encoder.encodePage(joined(), 2)
  t.same({ items: String(items), lastRow, hasMore }, { items: '[]', lastRow: undefined, hasMore: false })
})
