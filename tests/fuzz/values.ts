import fc from 'fast-check'
import type { Schema } from './openapi.ts'

/** Arbitrary text of JSON bodies: text rather than values, since a value has no duplicate keys, 1e400 or escapes. */
type JsonText = fc.Arbitrary<string>

/** A value that the schema accepts. */
export function validValue(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(validValue))
  switch (schema.type) {
    case 'integer':
    case 'number':
      return integers(schema)
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'string':
      return texts(schema)
    default:
      return fc.jsonValue({ maxDepth: 2 })
  }
}

/** Mostly small: rows of the test database have small ids. */
function integers({ minimum = 0, maximum = 2 ** 31 }: Schema): fc.Arbitrary<number> {
  const most = Math.min(maximum, minimum + 1100)
  return fc.oneof(
    // Rows of the smallest table, so that a request which names two rows succeeds.
    { weight: 6, arbitrary: fc.integer({ min: minimum, max: Math.min(maximum, minimum + 90) }) },
    { weight: 4, arbitrary: fc.integer({ min: minimum, max: most }) },
    { weight: 1, arbitrary: fc.constantFrom(minimum, maximum) },
    { weight: 1, arbitrary: fc.integer({ min: minimum, max: maximum }) },
  )
}

function texts({ pattern, minLength = 0, maxLength = 64 }: Schema): fc.Arbitrary<string> {
  // U+0000 and lone surrogates are text for JSON Schema, and refused by the services.
  const storable = (text: string) => !text.includes('\0') && text.isWellFormed()
  const found =
    pattern === undefined
      ? fc.string({ minLength, maxLength: Math.min(maxLength, 40), unit: 'grapheme' })
      : fc.stringMatching(new RegExp(pattern.replaceAll('[^@\\s]', '[a-z0-9.+]')))
  return found.filter((text) => storable(text) && [...text].length >= minLength && text.length <= maxLength)
}

/** Values at and beyond the limits of a schema, as JSON text. */
export function boundaryText(schema: Schema): JsonText {
  const { minimum, maximum, minLength, maxLength, type } = schema
  const values: unknown[] = []
  for (const limit of [minimum, maximum]) {
    if (limit !== undefined) values.push(limit - 1, limit, limit + 1)
  }
  for (const limit of [minLength, maxLength]) {
    if (limit === undefined) continue
    for (const length of [limit - 1, limit, limit + 1]) {
      // A character of one unit, one of two units, and one of two characters.
      if (length >= 0) values.push('a'.repeat(length), '😀'.repeat(length), 'e\u0301'.repeat(length))
    }
  }
  if (type === 'integer') values.push(0, -1, 1.5, '1', true)
  if (type === 'string') values.push('', ' ', '\t', '\u200b', '\u202e', 'İ', 'ß', '\ufeff')
  if (values.length === 0) values.push(null)
  return fc.constantFrom(...values.map((value) => JSON.stringify(value)))
}

const deep = (levels: number, open: string, close: string) => open.repeat(levels) + close.repeat(levels)

const HOSTILE_VALUES: readonly string[] = [
  ...['null', 'true', '0', '-0', '-1', '1.5', '1E2', '0.1e1', '01', '+1', '1.', '.5'],
  ...['1e400', '-1e400', '1e-400', '1e21', '9007199254740993', '123456789012345678901234567890'],
  ...['""', '"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\u2028"'],
  ...['"\\x41"', '"\t"', '"\x00"', '"\xff"', '"\xed\xa0\x80"', '"\xc3\xbc"', "'a'", '"open'],
  ...['NaN', 'Infinity', 'undefined', '{}', '[]', '[null]', '{"a":1,}', '[1,]', '/**/1', '1 2'],
  ...['{"__proto__":{"admin":true}}', '{"constructor":{"prototype":{"admin":true}}}', '{"toJSON":1}'],
  ...['{"$ref":"#"}', '{"then":1}', '{"length":1e9}', '{"a":1,"a":2}', '{"":{"":{"":{}}}}'],
  ...['"1; DROP TABLE users"', '"\' OR 1=1 --"', '"$(1)"', '"%00%ff"', '"<script>"', '"../../etc/passwd"'],
  ...[999, 1000, 1001].map((levels) => deep(levels, '[', ']')),
  ...[999, 1001].map((levels) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`),
  ...[199, 201, 321, 10_000].map((length) => JSON.stringify('x'.repeat(length))),
  `[${'{},'.repeat(2000)}{}]`,
  `{${Array.from({ length: 500 }, (_, n) => `"k${n}":${n}`).join()}}`,
]

/** Values that a parser, a database or a careless merge of objects may take wrongly, as JSON text (bytes as latin1). */
export const hostileText: JsonText = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...HOSTILE_VALUES) },
  { weight: 1, arbitrary: fc.json({ maxDepth: 3 }).map(toLatin1) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }).map(JSON.stringify).map(toLatin1) },
)

const HOSTILE_KEYS: readonly string[] = [
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', 'toJSON', 'then'],
  ...['', 'id', 'createdAt', '\\u0000', '\\ud800', '\\u005f_proto__', '__defineGetter__', 'k'.repeat(1000)],
]

/** A JSON object whose members are mostly valid, at times absent, at or beyond a limit, hostile, unknown or repeated. */
export function objectText({ properties = {}, required = [] }: Schema): JsonText {
  const members = Object.entries(properties).map(([name, schema]) => {
    const member = fc.oneof(
      { weight: 24, arbitrary: validValue(schema).map((value) => toLatin1(JSON.stringify(value ?? null))) },
      { weight: 2, arbitrary: boundaryText(schema).map(toLatin1) },
      { weight: 1, arbitrary: hostileText },
    )
    const named = member.map((value) => `"${name}":${value}`)
    return fc.option(named, { nil: undefined, freq: required.includes(name) ? 20 : 2 })
  })
  const extra = fc
    .tuple(fc.constantFrom(...HOSTILE_KEYS, ...Object.keys(properties)), hostileText)
    .map(([key, value]) => `"${key}":${value}`)
  const extras = fc.oneof(
    { weight: 9, arbitrary: fc.constant<string[]>([]) },
    { weight: 1, arbitrary: fc.array(extra, { minLength: 1, maxLength: 3 }) },
  )
  return fc
    .tuple(fc.tuple(...members), extras)
    .map(([own, more]) => `{${[...own.filter((member) => member !== undefined), ...more].join()}}`)
}

/** The text of a whole body: an object of the schema, or something else. */
export function bodyText(schema: Schema): JsonText {
  const object = schema.properties === undefined ? anyObjectText : objectText(schema)
  return fc.oneof(
    { weight: 20, arbitrary: object },
    { weight: 1, arbitrary: object.map((text) => text.slice(0, -1)) },
    { weight: 1, arbitrary: object.map((text) => `\xef\xbb\xbf${text}`) },
    { weight: 1, arbitrary: object.map((text) => `${text}${text}`) },
    { weight: 2, arbitrary: hostileText },
    { weight: 1, arbitrary: fc.constantFrom('', ' ', '\n', '\0') },
  )
}

const anyObjectText: JsonText = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }))
      .map((value) => toLatin1(JSON.stringify(value))),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(...HOSTILE_KEYS), hostileText)
      .map(([key, value]) => `{"${key}":${value}}`),
  },
)

/** The UTF-8 bytes of a text, one character each. */
export function toLatin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
