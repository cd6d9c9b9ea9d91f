export interface Setting {
  name: string
  value: string
}

/**
 * Every setting of a configuration file: `name = value` (equals) or `name value` (words).
 *
 * @param section only of that `[section]`, where a file has some
 * @throws SyntaxError for a line that is neither a setting nor a comment: nothing is passed over
 */
export function settingsOf(text: string, format: 'equals' | 'words', section?: string): Setting[] {
  let current: string | undefined
  return text.split('\n').flatMap((line, index) => {
    const plain = line.trim()
    if (plain === '' || /^[#;]/.test(plain) || plain.startsWith('%include')) return []
    const heading = /^\[(\w+)\]$/.exec(plain)
    if (heading) {
      current = heading[1]
      return []
    }
    if (section !== undefined && current !== section) return []
    const found = patterns[format].exec(plain)
    if (found === null) throw new SyntaxError(`Line ${index + 1} is no setting: ${line}`)
    const [, name = '', value = ''] = found
    return [{ name, value: format === 'equals' ? withoutComment(value) : value }]
  })
}

const patterns = {
  equals: /^([\w.]+)\s*=\s*(.*)$/,
  words: /^([\w-]+)\s+(.+)$/,
}

function withoutComment(value: string): string {
  const quoted = /^'([^']*)'/.exec(value)
  return quoted ? (quoted[1] ?? '') : value.replace(/(^|\s+)#.*$/, '').trim()
}

const sizes: Record<string, number> = { b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }
const times: Record<string, number> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 }

/** A value in the smallest unit as far as it has one, so that `256MB`, `256mb` and 32768 blocks of 8 kB are the same. */
export function plainValue(value: string, unit = ''): string {
  const [, number, own = ''] = /^(-?[\d.]+)\s*([A-Za-z]*)$/.exec(value) ?? []
  if (number === undefined) return switches[value.toLowerCase()] ?? value
  const [, multiple, base = ''] = /^(\d*)([A-Za-z]*)$/.exec(own || unit) ?? []
  const factor = times[base] ?? sizes[base.toLowerCase().replace(/i?b$/, '')] ?? 1
  return String(Number(number) * Number(multiple || 1) * factor)
}

const switches: Record<string, string> = {
  on: 'on',
  off: 'off',
  yes: 'on',
  no: 'off',
  true: 'on',
  false: 'off',
}

/** What differs, as sentences; empty when the server runs with each setting of the file. */
export function differences(
  wanted: Setting[],
  found: (name: string) => { value: string; unit?: string } | undefined,
): string[] {
  return wanted.flatMap(({ name, value }) => {
    const has = found(name)
    if (has === undefined) return [`${name} is unknown to the server`]
    const [one, other] = [plainValue(value, has.unit), plainValue(has.value, has.unit)]
    return one === other ? [] : [`${name}: the file says ${value}, the server ${has.value}${has.unit ?? ''}`]
  })
}
