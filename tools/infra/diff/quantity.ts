const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 2 ** 10,
  kb: 2 ** 10,
  '8kb': 2 ** 13,
  m: 2 ** 20,
  mb: 2 ** 20,
  g: 2 ** 30,
  gb: 2 ** 30,
  us: 0.001,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}
const WORDS: Readonly<Record<string, string>> = { yes: 'on', true: 'on', no: 'off', false: 'off' }

/**
 * Whether two texts are the same value, in whatever unit each is written: `320MB` and `335544320`, `on` and `1`.
 *
 * @param unit of a number without one
 */
export function isSame(actual: string, wanted: string, unit = ''): boolean {
  const [one, other] = [actual.trim().split(/\s+/), wanted.trim().split(/\s+/)]
  if (one.length !== other.length) return false
  return one.every((word, at) => canonical(word, unit) === canonical(other[at] ?? '', unit))
}

function canonical(word: string, unit: string): string {
  const text = word.toLowerCase()
  const [, amount, given] = /^(-?\d+(?:\.\d+)?)([a-z]*)$/.exec(text) ?? []
  if (amount === undefined) {
    const name = WORDS[text] ?? text
    return name === 'on' ? '1' : name === 'off' ? '0' : name
  }
  const factor = UNITS[given === '' ? unit.toLowerCase() : (given ?? '')]
  return factor === undefined ? text : String(Number(amount) * factor)
}
