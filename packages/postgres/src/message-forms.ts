// The forms of the messages of a server (https://www.postgresql.org/docs/current/protocol-message-formats.html).

/** The types that a server sends without `COPY` and function calls, which no code here uses. */
export const Type = {
  authentication: 0x52,
  error: 0x45,
  notice: 0x4e,
  parameterStatus: 0x53,
  keyData: 0x4b,
  ready: 0x5a,
  row: 0x44,
  rowDescription: 0x54,
  parameterDescription: 0x74,
  complete: 0x43,
  emptyQuery: 0x49,
  portalSuspended: 0x73,
  parseComplete: 0x31,
  bindComplete: 0x32,
  closeComplete: 0x33,
  noData: 0x6e,
  notification: 0x41,
} as const

const MIB = 1_048_576
/** The longest value of Postgres is 1 GiB; a reply of that size would not fit into a service anyway. */
const ROW_BYTES = 256 * MIB
/** A text of any length can be raised as an error or a notice. */
const TEXT_BYTES = 16 * MIB

type Form = (bytes: Buffer, start: number, end: number) => boolean

interface Rule {
  /** The largest value of the length field. */
  readonly limit: number
  readonly isForm: Form
}

const empty: Rule = { limit: 4, isForm: () => true }

const RULES: readonly (Rule | undefined)[] = (() => {
  const rules: (Rule | undefined)[] = new Array(256)
  rules[Type.authentication] = { limit: 65_536, isForm: (_, start, end) => end - start >= 4 }
  rules[Type.error] = { limit: TEXT_BYTES, isForm: isFields }
  rules[Type.notice] = { limit: TEXT_BYTES, isForm: isFields }
  rules[Type.parameterStatus] = { limit: MIB, isForm: (bytes, start, end) => isTexts(bytes, start, end, 2) }
  rules[Type.keyData] = { limit: 268, isForm: (_, start, end) => end - start >= 8 }
  rules[Type.ready] = { limit: 5, isForm: isTransactionState }
  rules[Type.row] = { limit: ROW_BYTES, isForm: isRow }
  rules[Type.rowDescription] = { limit: MIB, isForm: isRowDescription }
  rules[Type.parameterDescription] = { limit: MIB, isForm: isParameterDescription }
  rules[Type.complete] = { limit: MIB, isForm: (bytes, start, end) => isTexts(bytes, start, end, 1) }
  rules[Type.notification] = {
    limit: TEXT_BYTES,
    isForm: (bytes, start, end) => end - start >= 4 && isTexts(bytes, start + 4, end, 2),
  }
  for (const name of [
    ...(['emptyQuery', 'portalSuspended', 'parseComplete'] as const),
    ...(['bindComplete', 'closeComplete', 'noData'] as const),
  ]) {
    rules[Type[name]] = empty
  }
  return rules
})()

/** The largest length of a message of this type; 0 for a type that no server sends. */
export function limitOf(type: number): number {
  return RULES[type]?.limit ?? 0
}

/** Whether a body, which begins at `start` and ends before `end`, has the form of its type. */
export function isStructured(type: number, bytes: Buffer, start: number, end: number): boolean {
  return RULES[type]?.isForm(bytes, start, end) ?? false
}

/** Exactly this number of texts, each with a zero byte at its end. */
function isTexts(bytes: Buffer, start: number, end: number, count: number): boolean {
  let at = start
  for (let i = 0; i < count; i++) {
    at = afterText(bytes, at, end)
    if (at === -1) return false
  }
  return at === end
}

/** @returns the place behind the zero byte of a text; -1 without one before `end` */
function afterText(bytes: Buffer, at: number, end: number): number {
  for (let i = at; i < end; i++) if (bytes[i] === 0) return i + 1
  return -1
}

/** Pairs of a byte and a text, then a zero byte. */
function isFields(bytes: Buffer, start: number, end: number): boolean {
  let at = start
  while (at < end && bytes[at] !== 0) {
    at = afterText(bytes, at + 1, end)
    if (at === -1) return false
  }
  return at === end - 1
}

function isTransactionState(bytes: Buffer, start: number, end: number): boolean {
  return end - start === 1 && 'ITE'.includes(String.fromCharCode(bytes[start] ?? 0))
}

function isRow(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < 2) return false
  const columns = bytes.readUInt16BE(start)
  let at = start + 2
  for (let i = 0; i < columns; i++) {
    if (at + 4 > end) return false
    const length = bytes.readInt32BE(at)
    if (length < -1) return false
    at += length === -1 ? 4 : 4 + length
  }
  return at === end
}

/** For each column a name and 18 bytes. */
function isRowDescription(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < 2) return false
  const columns = bytes.readUInt16BE(start)
  let at = start + 2
  for (let i = 0; i < columns; i++) {
    at = afterText(bytes, at, end)
    if (at === -1) return false
    at += 18
  }
  return at === end
}

function isParameterDescription(bytes: Buffer, start: number, end: number): boolean {
  return end - start >= 2 && end - start === 2 + 4 * bytes.readUInt16BE(start)
}
