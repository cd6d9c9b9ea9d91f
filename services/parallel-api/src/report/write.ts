import type { ReportRow } from '@reference/shop/report/queries'
import { CENTS_BASE, createGroups, GROUP_FIELDS } from './groups.ts'

export interface Sums {
  readonly engine: string
  /** The sums of each lane, as `sumChunk` returns them. */
  readonly lanes: readonly Float64Array[]
  /** The names of the categories, in the order of the rows. The numbers in the sums are indexes into this list. */
  readonly names: readonly string[]
}

/**
 * Merges the lanes, sorts by category and day, and writes the reply: JSON in UTF-8. The rows are written one by one: as objects
 * for `JSON.stringify`, `MAX_GROUPS` of them exceeded the heap of a thread in one report of six.
 */
export function writeReport({ engine, lanes, names }: Sums): Uint8Array<ArrayBuffer> {
  const groups = createGroups()
  for (const lane of lanes) groups.addAll(lane)
  const sums = groups.take()
  const starts = Array.from({ length: sums.length / GROUP_FIELDS }, (_, index) => index * GROUP_FIELDS)
  starts.sort((a, b) => (sums[a] ?? 0) - (sums[b] ?? 0) || (sums[a + 1] ?? 0) - (sums[b + 1] ?? 0))
  const text = new Utf8Writer()
  text.write(`{"engine":${JSON.stringify(engine)},"rows":[`)
  // A name is written once for each of its groups, so it is escaped once.
  const escaped = names.map((name) => JSON.stringify(name))
  let separator = ''
  for (const at of starts) {
    const category = escaped[sums[at] ?? 0] ?? '""'
    const revenue = digits(sums[at + 4] ?? 0, sums[at + 3] ?? 0)
    text.write(
      `${separator}{"category":${category},"day":"${dayName(sums[at + 1] ?? 0)}","orders":${sums[at + 2]},"revenueCents":${revenue}}`,
    )
    separator = ','
  }
  text.write(']}')
  return text.end()
}

/** Sorted by the bytes of UTF-8, as Postgres sorts with `collate "C"`. `<` compares UTF-16, which differs above U+FFFF. */
export function sortedNames(names: Iterable<string>): string[] {
  return [...new Set(names)]
    .map((name) => ({ name, bytes: Buffer.from(name) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ name }) => name)
}

/** The reply with the rows that Postgres has added up. */
export function writeRows(engine: string, rows: readonly ReportRow[]): string {
  const written = rows.map((row) => ({ ...row, revenueCents: rawJson(row.revenueCents) }))
  return JSON.stringify({ engine, rows: written })
}

/** All digits of the cents, also above 2^53. */
function digits(high: number, low: number): string {
  return high === 0 ? String(low) : String(BigInt(high) * BigInt(CENTS_BASE) + BigInt(low))
}

/** Digits that `JSON.stringify` writes unchanged (`JSON.rawJSON`, ES2026, which has no types in TypeScript yet). */
function rawJson(text: string): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text)
}

function dayName(day: number): string {
  return new Date(day * 86_400_000).toISOString().slice(0, 10)
}

/** Characters that are collected before they are encoded: few calls, and a string that dies young. */
const PIECE_LENGTH = 65_536

/** Text encoded piece by piece, so that the heap holds one piece and the bytes are outside of it. */
class Utf8Writer {
  readonly #pieces: Buffer[] = []
  #text = ''

  write(text: string): void {
    this.#text += text
    if (this.#text.length >= PIECE_LENGTH) this.#encode()
  }

  end(): Uint8Array<ArrayBuffer> {
    this.#encode()
    const bytes = new Uint8Array(this.#pieces.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const piece of this.#pieces) {
      bytes.set(piece, at)
      at += piece.length
    }
    return bytes
  }

  #encode(): void {
    this.#pieces.push(Buffer.from(this.#text))
    this.#text = ''
  }
}
