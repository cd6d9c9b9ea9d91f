/**
 * How Postgres types look in JavaScript. A timestamp is an ISO 8601 string in UTC with milliseconds, equal to the result of
 * `Date.prototype.toISOString`. JSON, the cache and cursors take it as it is, and no Date is made for a row (0.1 µs a value;
 * `new Date(text).toISOString()` takes 1.1 µs).
 */
export const TYPE_PARSERS = {
  timestamp: { to: 1184, from: [1184], serialize: timestampText, parse: isoTimestamp },
  // Counts and sums of cents: exact below 2^53, and check constraints keep them there.
  bigint: { to: 20, from: [20], serialize: String, parse: Number },
  // A string is JSON already, encoded by a caller that needs its own order of keys (pg-boss does so too).
  json: {
    to: 114,
    from: [114, 3802],
    serialize: jsonText,
    parse: (text: string): unknown => JSON.parse(text),
  },
  // Named here, so that a new connection need not ask the server for its array types.
  integers: { to: 1007, from: [1007], serialize: arrayText, parse: numbersOf },
  bigints: { to: 1016, from: [1016], serialize: arrayText, parse: numbersOf },
  texts: { to: 1009, from: [1009], serialize: textArrayText, parse: (text: string) => text },
}

/**
 * `2024-05-01 10:20:30.5+00` → `2024-05-01T10:20:30.500Z`; other zones take a slower way.
 *
 * A timestamp that ISO 8601 cannot express (`infinity`, years past 9999, years before Christ) stays as Postgres writes it: an
 * error here would fail all rows of the statement. See `isIsoTimestamp`.
 */
export function isoTimestamp(text: string): string {
  const { length } = text
  if (text.charCodeAt(DATE_LENGTH) !== SPACE || !text.endsWith('+00') || length < 22 || length > 26)
    return slowIsoTimestamp(text)
  const head = `${text.slice(0, 10)}T${text.slice(11, 19)}`
  if (length === 22) return `${head}.000Z`
  return `${head}.${text.slice(20, length - 3).padEnd(3, '0')}Z`
}

/** Whether a timestamp that was read has the form that the API promises. */
export function isIsoTimestamp(text: string): boolean {
  return text.length === 24 && text.charCodeAt(DATE_LENGTH) === LETTER_T
}

/** Length of `2024-05-01`. */
const DATE_LENGTH = 10
const SPACE = 32
const LETTER_T = 84

const ANY_ZONE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?[+-]\d\d(?::\d\d){0,2}$/

function slowIsoTimestamp(text: string): string {
  if (!ANY_ZONE.test(text)) return text
  const date = new Date(text)
  const iso = Number.isNaN(date.getTime()) ? text : date.toISOString()
  // Years outside of 0 to 9999 have six digits and a sign.
  return isIsoTimestamp(iso) ? iso : text
}

function timestampText(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value)
}

function jsonText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function arrayText(values: unknown): string {
  return Array.isArray(values) ? `{${values.join(',')}}` : String(values)
}

function textArrayText(values: unknown): string {
  if (!Array.isArray(values)) return String(values)
  return `{${values.map((value) => `"${String(value).replace(/["\\]/g, '\\$&')}"`).join(',')}}`
}

function numbersOf(text: string): number[] {
  return text.length > 2 ? text.slice(1, -1).split(',').map(Number) : []
}
