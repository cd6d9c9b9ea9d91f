import t from 'tap'
import { isIsoTimestamp, isoTimestamp } from './type-parsers.ts'

t.test('a timestamp has the form of toISOString', async (t) => {
  for (const [text, expected] of [
    ['2024-05-01 10:20:30+00', '2024-05-01T10:20:30.000Z'],
    ['2024-05-01 10:20:30.5+00', '2024-05-01T10:20:30.500Z'],
    ['2024-05-01 10:20:30.05+00', '2024-05-01T10:20:30.050Z'],
    ['2024-05-01 10:20:30.123+00', '2024-05-01T10:20:30.123Z'],
    ['2024-05-01 10:20:30.123456+00', '2024-05-01T10:20:30.123Z'],
    ['2024-05-01 10:20:30+02', '2024-05-01T08:20:30.000Z'],
    ['2024-05-01 10:20:30.5+05:30', '2024-05-01T04:50:30.500Z'],
  ] as const) {
    t.equal(isoTimestamp(text), expected, text)
    t.ok(isIsoTimestamp(expected))
  }
})

t.test('a timestamp that ISO 8601 cannot express stays as Postgres writes it', async (t) => {
  for (const text of [
    'infinity',
    '-infinity',
    '20000-01-01 00:00:00+00',
    '20000-01-01 00:00:00.5+00',
    '10000-01-01 00:00:00+00',
    '294276-12-31 23:59:59.999+00',
    '0044-03-15 00:00:00+00 BC',
    '0044-03-15 00:00:00.123+00 BC',
    '10000-01-01 00:00:00+14',
    '9999-12-31 23:00:00-02',
  ]) {
    t.equal(isoTimestamp(text), text)
    t.notOk(isIsoTimestamp(isoTimestamp(text)), text)
  }
  t.equal(isoTimestamp('0001-01-01 00:00:00+00'), '0001-01-01T00:00:00.000Z')
  t.equal(isoTimestamp('9999-12-31 23:59:59.999+00'), '9999-12-31T23:59:59.999Z')
})
