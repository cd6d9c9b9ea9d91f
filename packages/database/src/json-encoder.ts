import { isoTimestamp } from './type-parsers.ts'

/**
 * How the value of a member arrives.
 *
 * - `json`: JSON already, such as a number
 * - `word`: text that needs no escapes
 * - `text`: its length in characters, the separator, the text
 * - `timestamp`: as Postgres writes it
 */
export type MemberKind = 'json' | 'word' | 'text' | 'timestamp'

/** Follows every value but the last one. No value contains it but `text`, whose end its length determines. */
export const SEPARATOR = 0x1f

/** A page as JSON. */
export interface EncodedPage {
  /** A JSON array of the rows. */
  readonly items: Buffer
  /** The JSON of the last row of the page. */
  readonly lastRow: string | undefined
  /** Whether there were more rows than the page has. */
  readonly hasMore: boolean
}

interface Member {
  readonly kind: MemberKind
  /** What the JSON contains between the previous value and this one. */
  readonly before: Words
}

/**
 * Writes rows that Postgres joined to one value as a JSON array, byte for byte what `JSON.stringify` makes of the same rows. It
 * copies bytes from one buffer to the other: no row or value becomes an object or a string of its own. 100 orders take a tenth of
 * the time of splitting them into strings, and a fifth of that of a regular expression, which leaves the timestamps as they are.
 */
export class JsonEncoder {
  readonly #members: readonly Member[]
  readonly #end: Words
  /** The most bytes that a row has in the JSON and not in the input, without escapes. */
  readonly #rowBytes: number
  #input: Uint8Array = new Uint8Array()
  #from = 0
  #output = new Uint8Array()
  #words = new DataView(this.#output.buffer)
  #to = 0

  /** @param members the names of the JSON object in the order of the values, and the kind of each */
  constructor(members: Readonly<Record<string, MemberKind>>) {
    const entries = Object.entries(members)
    const quoteOf = (index: number) => ((entries[index]?.[1] ?? 'json') === 'json' ? '' : '"')
    this.#members = entries.map(([name, kind], index) => {
      const start = index === 0 ? '{' : `${quoteOf(index - 1)},`
      return { kind, before: wordsOf(`${start}${JSON.stringify(name)}:${quoteOf(index)}`) }
    })
    this.#end = wordsOf(`${quoteOf(entries.length - 1)}}`)
    const template = this.#members.reduce((sum, { before }) => sum + before.bytes + TIMESTAMP_GROWTH, 0)
    this.#rowBytes = template + this.#end.bytes + WORD_BYTES + 2
  }

  /**
   * Encodes rows.
   *
   * @param rows the values of all rows, each followed by the separator except the last; empty without rows
   */
  encode(rows: Uint8Array): Buffer {
    this.#writeRows(rows, Number.POSITIVE_INFINITY)
    return this.#result()
  }

  /**
   * Encodes the rows of a page.
   *
   * @param rows as {@link encode} takes them
   * @param limit the number of rows of the page, at least 1; a row behind them is not encoded
   */
  encodePage(rows: Uint8Array, limit: number): EncodedPage {
    const lastAt = this.#writeRows(rows, limit)
    const lastRow =
      lastAt === 0 ? undefined : Buffer.from(this.#output.subarray(lastAt, this.#to - 1)).toString()
    return { items: this.#result(), lastRow, hasMore: this.#from < rows.length }
  }

  /** @returns where the last row starts in the output, or 0 without rows */
  #writeRows(rows: Uint8Array, limit: number): number {
    this.#input = rows
    this.#from = 0
    this.#to = 0
    this.#reserve(0)
    this.#put(OPEN)
    let lastAt = 0
    for (let count = 0; count < limit && this.#from < rows.length; count++) {
      if (count > 0) this.#put(COMMA)
      lastAt = this.#to
      this.#writeRow()
    }
    this.#put(CLOSE)
    return lastAt
  }

  #writeRow(): void {
    this.#reserve(0)
    for (const { kind, before } of this.#members) {
      this.#writeWords(before)
      if (kind === 'text') this.#escapeText()
      else if (kind === 'timestamp') this.#copyTimestamp()
      else this.#copyValue()
    }
    this.#writeWords(this.#end)
  }

  #result(): Buffer {
    return Buffer.from(this.#output.subarray(0, this.#to))
  }

  /** Makes room for the rest of the input, a row's names and `more` bytes. */
  #reserve(more: number): void {
    const needed = this.#to + (this.#input.length - this.#from) + this.#rowBytes + more
    if (needed <= this.#output.length) return
    const larger = new Uint8Array(2 * needed)
    larger.set(this.#output.subarray(0, this.#to))
    this.#output = larger
    this.#words = new DataView(larger.buffer)
  }

  #put(byte: number): void {
    this.#output[this.#to++] = byte
  }

  /** Four bytes at a time; what the last word writes too much is overwritten next. */
  #writeWords({ words, bytes }: Words): void {
    const output = this.#words
    let to = this.#to
    for (let index = 0; index < words.length; index++, to += WORD_BYTES)
      output.setUint32(to, words[index] as number)
    this.#to += bytes
  }

  #writeText(text: string): void {
    this.#reserve(text.length)
    for (let index = 0; index < text.length; index++) this.#put(text.charCodeAt(index))
  }

  #copyValue(): void {
    const input = this.#input
    const output = this.#output
    let from = this.#from
    let to = this.#to
    while (from < input.length && input[from] !== SEPARATOR) output[to++] = input[from++] as number
    this.#from = from + 1
    this.#to = to
  }

  /** `2024-05-01 10:20:30.5+00` → `2024-05-01T10:20:30.500Z`; other forms take a slower way. */
  #copyTimestamp(): void {
    const input = this.#input
    const from = this.#from
    let end = from
    while (end < input.length && input[end] !== SEPARATOR) end++
    this.#from = end + 1
    if (isPlainTimestamp(input, from, end)) this.#writeIso(from, end)
    else this.#writeText(isoTimestamp(Buffer.from(input.subarray(from, end)).toString('latin1')))
  }

  #writeIso(from: number, end: number): void {
    const input = this.#input
    const output = this.#output
    const to = this.#to
    for (let index = 0; index < SECONDS_LENGTH; index++) output[to + index] = input[from + index] as number
    output[to + DATE_LENGTH] = LETTER_T
    output[to + SECONDS_LENGTH] = POINT
    for (let index = SECONDS_LENGTH + 1; index < SECONDS_LENGTH + 4; index++)
      output[to + index] = from + index < end - UTC_LENGTH ? (input[from + index] as number) : DIGIT_0
    output[to + SECONDS_LENGTH + 4] = LETTER_Z
    this.#to = to + SECONDS_LENGTH + 5
  }

  #escapeText(): void {
    let left = this.#length()
    const input = this.#input
    let output = this.#output
    let from = this.#from
    let to = this.#to
    for (; from < input.length; from++) {
      const byte = input[from] as number
      // A byte of a character's rest is not counted.
      if ((byte & 0xc0) !== 0x80 && left-- === 0) break
      if (byte >= SPACE && byte !== QUOTE && byte !== BACKSLASH) output[to++] = byte
      else {
        this.#from = from
        this.#to = to
        this.#escape(byte)
        output = this.#output
        to = this.#to
      }
    }
    this.#from = from + 1
    this.#to = to
  }

  #escape(byte: number): void {
    this.#writeText(JSON.stringify(String.fromCharCode(byte)).slice(1, -1))
  }

  /** Reads a decimal number and its separator. */
  #length(): number {
    let length = 0
    for (let byte = this.#input[this.#from++]; byte !== SEPARATOR && byte !== undefined; ) {
      length = 10 * length + byte - DIGIT_0
      byte = this.#input[this.#from++]
    }
    return length
  }
}

/** In UTC, of a year of four digits, with milliseconds at most. */
function isPlainTimestamp(bytes: Uint8Array, from: number, end: number): boolean {
  const length = end - from - UTC_LENGTH
  return (
    length >= SECONDS_LENGTH &&
    length <= SECONDS_LENGTH + 4 &&
    bytes[from + DATE_LENGTH] === SPACE &&
    bytes[end - 3] === PLUS &&
    bytes[end - 2] === DIGIT_0 &&
    bytes[end - 1] === DIGIT_0
  )
}

/** ASCII text as big-endian words, the last of which is filled up. */
interface Words {
  readonly words: Uint32Array
  readonly bytes: number
}

function wordsOf(text: string): Words {
  const bytes = Buffer.from(text.padEnd(Math.ceil(text.length / WORD_BYTES) * WORD_BYTES), 'latin1')
  const words = Uint32Array.from({ length: bytes.length / WORD_BYTES }, (_, index) =>
    bytes.readUInt32BE(index * WORD_BYTES),
  )
  return { words, bytes: text.length }
}

const WORD_BYTES = 4

/** `2024-05-01 10:20:30+00` has 22 characters, and the ISO form 24. */
const TIMESTAMP_GROWTH = 2
/** Lengths of `2024-05-01`, `2024-05-01 10:20:30` and `+00`. */
const DATE_LENGTH = 10
const SECONDS_LENGTH = 19
const UTC_LENGTH = 3
const SPACE = 0x20
const QUOTE = 0x22
const PLUS = 0x2b
const COMMA = 0x2c
const POINT = 0x2e
const DIGIT_0 = 0x30
const LETTER_T = 0x54
const LETTER_Z = 0x5a
const OPEN = 0x5b
const BACKSLASH = 0x5c
const CLOSE = 0x5d
