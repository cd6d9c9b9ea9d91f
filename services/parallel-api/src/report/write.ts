import type { ReportRow } from '@reference/shop/report/queries'
import { CENTS_BASE, createGroups, GROUP_FIELDS } from './groups.ts'

export interface Sums {
  readonly engine: string
  /** The sums of each lane, as `sumChunk` returns them. */
  readonly lanes: readonly Float64Array[]
  /** The names of the categories, in the order of the rows. The numbers in the sums are indexes into this list. */
  readonly names: readonly string[]
}

/** Merges the lanes, sorts by category and day, and writes the reply: JSON in UTF-8. */
export function writeReport({ engine, lanes, names }: Sums): Uint8Array<ArrayBuffer> {
  const groups = createGroups()
  for (const lane of lanes) groups.addAll(lane)
  const sums = groups.take()
  const starts = Array.from({ length: sums.length / GROUP_FIELDS }, (_, index) => index * GROUP_FIELDS)
  starts.sort((a, b) => (sums[a] ?? 0) - (sums[b] ?? 0) || (sums[a + 1] ?? 0) - (sums[b + 1] ?? 0))
  const rows = starts.map(
    (at): WrittenRow => ({
      category: names[sums[at] ?? 0] ?? '',
      day: dayName(sums[at + 1] ?? 0),
      orders: sums[at + 2] ?? 0,
      revenueCents: digits(sums[at + 4] ?? 0, sums[at + 3] ?? 0),
    }),
  )
  return new TextEncoder().encode(JSON.stringify({ engine, rows }))
}

/** Sorted by the bytes of UTF-8, as Postgres sorts with `collate "C"`. `<` compares UTF-16, which differs above U+FFFF. */
export function sortedNames(names: Iterable<string>): string[] {
  return [...new Set(names)]
    .map((name) => ({ name, bytes: Buffer.from(name) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ name }) => name)
}

/** `revenueCents` is written as a number with all its digits, also above 2^53. */
interface WrittenRow {
  readonly category: string
  readonly day: string
  readonly orders: number
  readonly revenueCents: unknown
}

/** The reply with the rows that Postgres has added up. */
export function writeRows(engine: string, rows: readonly ReportRow[]): string {
  const written = rows.map((row): WrittenRow => ({ ...row, revenueCents: rawJson(row.revenueCents) }))
  return JSON.stringify({ engine, rows: written })
}

function digits(high: number, low: number): unknown {
  return high === 0 ? low : rawJson(`${BigInt(high) * BigInt(CENTS_BASE) + BigInt(low)}`)
}

/** Digits that `JSON.stringify` writes unchanged (`JSON.rawJSON`, ES2026, which has no types in TypeScript yet). */
function rawJson(text: string): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text)
}

function dayName(day: number): string {
  return new Date(day * 86_400_000).toISOString().slice(0, 10)
}
