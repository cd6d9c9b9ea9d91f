import type { Environment } from './load.ts'
import { settings } from './settings.ts'

/** A variable that is not a setting, and the setting with the closest name. */
export interface Misspelt {
  readonly name: string
  readonly setting: string
}

/** The part of a logger that {@link warnOfMisspelt} needs. */
export interface WarningLog {
  warn(details: Misspelt, message: string): void
}

const KNOWN = Object.keys(settings).flatMap((name) => [name, `${name}_FILE`])
const KNOWN_NAMES = new Set(KNOWN)

/** Variables of other programs whose names are close to a setting. */
const UNRELATED = new Set(['LOG_LEVELS'])

/** Units in the names of settings, which are omitted more often than misspelt. */
const UNITS = ['_MS', '_SECONDS', '_BYTES', '_ENTRIES', '_RPS']

/**
 * The variables of an environment that are not settings but look like one: in lower case, with `-` or `.` for `_`, without the
 * unit, or with one or two typing errors. Such a variable would have no effect, and no message would say so.
 */
export function misspeltSettings(environment: Environment = process.env): Misspelt[] {
  return Object.keys(environment)
    .filter((name) => environment[name] && !KNOWN_NAMES.has(name) && !UNRELATED.has(name))
    .flatMap((name) => {
      const setting = closestSetting(name.toUpperCase().replaceAll(/[-.]/g, '_'))
      return setting === undefined ? [] : [{ name, setting }]
    })
}

/** Logs a warning for each of {@link misspeltSettings}; their values may be secrets and are not logged. */
export function warnOfMisspelt(log: WarningLog, environment: Environment = process.env): void {
  for (const { name, setting } of misspeltSettings(environment)) {
    log.warn({ name, setting }, `${name} is not a setting and has no effect; is ${setting} meant?`)
  }
}

function closestSetting(name: string): string | undefined {
  if (KNOWN_NAMES.has(name)) return name
  const withUnit = UNITS.map((unit) => `${name}${unit}`).find((candidate) => KNOWN_NAMES.has(candidate))
  if (withUnit !== undefined) return withUnit
  // The lengths alone exclude most of them, and with them the most expensive part of a start with many variables.
  const close = KNOWN.filter((setting) => Math.abs(setting.length - name.length) <= allowedErrors(setting))
    .map((setting) => ({ setting, distance: editDistance(name, setting) }))
    .filter(({ setting, distance }) => distance <= allowedErrors(setting) && areTypingErrors(name, setting))
    .toSorted((a, b) => a.distance - b.distance)
  return close[0]?.setting
}

/** HOST, PORT and AUTH are one typing error away from too many other words. */
function allowedErrors(setting: string): number {
  const { length } = setting.replace(/_FILE$/, '')
  if (length < 6) return 0
  return length < 9 ? 1 : 2
}

/** Whether each word of the name is a misspelt one, not a different word: REDIS_SSL is not REDIS_URL, DB_POOL_MIN not DB_POOL_MAX. */
function areTypingErrors(name: string, setting: string): boolean {
  const words = name.split('_')
  const settingWords = setting.split('_')
  if (words.length !== settingWords.length) return true
  return settingWords.every((word, i) => editDistance(words[i] ?? '', word) <= (word.length < 7 ? 1 : 2))
}

/**
 * The number of characters to insert, remove, replace or swap with their neighbour: the restricted Damerau-Levenshtein distance
 * (optimal string alignment).
 */
function editDistance(a: string, b: string): number {
  // A larger distance is never a typing error here.
  if (Math.abs(a.length - b.length) > 2) return Number.POSITIVE_INFINITY
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= b.length; j++) row.push(leastEdits(a, b, i, j, rows))
  }
  return rows[a.length]?.[b.length] ?? 0
}

/** The distance of the first `i` characters of `a` and the first `j` of `b`, from the rows and columns before. */
function leastEdits(a: string, b: string, i: number, j: number, rows: readonly number[][]): number {
  const at = (row: number, column: number) => rows[row]?.[column] ?? 0
  const replaced = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
  const least = Math.min(replaced, at(i - 1, j) + 1, at(i, j - 1) + 1)
  const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
  return isSwapped ? Math.min(least, at(i - 2, j - 2) + 1) : least
}
