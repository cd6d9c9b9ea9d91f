import t from 'tap'
import { createKeysetCursor, ID_COLUMN, ID_CURSOR, TIMESTAMP_COLUMN } from './cursor.ts'

const CURSOR = createKeysetCursor({ createdAt: TIMESTAMP_COLUMN, id: ID_COLUMN })
const base64url = (text: string) => Buffer.from(text).toString('base64url')

t.test('a cursor is URL-safe and leads back to its position', async (t) => {
  for (const createdAt of [
    '0001-01-01T00:00:00.000Z',
    '1970-01-01T00:00:00.000Z',
    '9999-12-31T23:59:59.999Z',
  ]) {
    const position = { createdAt, id: 2_147_483_647 }
    const text = CURSOR.encode({ ...position, status: 'paid' } as typeof position)
    t.match(text, /^[\w-]+$/)
    t.same(CURSOR.decode(text), position)
  }
  t.same(ID_CURSOR.decode(ID_CURSOR.encode({ id: 1 })), { id: 1 })
})

t.test('any text that the codec does not write is a 400 that names `after`', async (t) => {
  const refused = { statusCode: 400, code: 'VALIDATION', errors: [{ field: 'after' }] }
  for (const text of ['0', '01', '-1', '1.5', '1e3', '2147483648', '', '1.1', 'x', ' 1']) {
    t.throws(() => ID_CURSOR.decode(base64url(text)), refused, text)
  }
  const year10000 = Date.parse('+010000-01-01T00:00:00.000Z')
  for (const text of ['1', '1.', '.1', '-0.1', '01.1', '1.1.1', `${year10000}.1`, '-62135596800001.1']) {
    t.throws(() => CURSOR.decode(base64url(text)), refused, text)
  }
  for (const text of ['MQ==', 'M Q', 'MR', '%']) t.throws(() => ID_CURSOR.decode(text), refused, text)
})
