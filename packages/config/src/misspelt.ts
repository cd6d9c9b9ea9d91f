import type { Environment } from './load.ts'
import { settings } from './settings.ts'

/** A variable that is no setting, and the setting that its name comes close to. */
export interface Misspelt {
  readonly name: string
  readonly setting: string
}

/** What {@link warnOfMisspelt} needs of a logger. */
export interface WarningLog {
  warn(details: Misspelt, message: string): void
}

const known = Object.keys(settings).flatMap((name) => [name, `${name}_FILE`])
const knownNames = new Set(known)

/** In use elsewhere, and close to a setting. */
const unrelated = new Set(['LOG_LEVELS'])

/** A setting's unit, left out more often than misspelt. */
const units = ['_MS', '_SECONDS', '_BYTES', '_ENTRIES', '_RPS']

/**
 * The variables of an environment that are no setting but look like one: in small letters, with `-` or `.` for `_`, without
 * the unit, or with a slip or two of the keyboard. Without this such a variable has no effect, and nothing says so.
 */
export function misspeltSettings(environment: Environment = process.env): Misspelt[] {
  return Object.keys(environment)
    .filter((name) => environment[name] && !knownNames.has(name) && !unrelated.has(name))
    .flatMap((name) => {
      const setting = closestSetting(name.toUpperCase().replaceAll(/[-.]/g, '_'))
      return setting === undefined ? [] : [{ name, setting }]
    })
}

/** Logs a warning for each of {@link misspeltSettings}; their values, which may be secrets, are left out. */
export function warnOfMisspelt(log: WarningLog, environment: Environment = process.env): void {
  for (const { name, setting } of misspeltSettings(environment)) {
    log.warn({ name, setting }, `${name} is not a setting and has no effect; is ${setting} meant?`)
  }
}

function closestSetting(name: string): string | undefined {
  if (knownNames.has(name)) return name
  const withUnit = units.map((unit) => `${name}${unit}`).find((candidate) => knownNames.has(candidate))
  if (withUnit !== undefined) return withUnit
  const close = known
    .map((setting) => ({ setting, distance: editDistance(name, setting) }))
    .filter(({ setting, distance }) => distance <= slipsAllowed(setting) && areSlips(name, setting))
    .toSorted((a, b) => a.distance - b.distance)
  return close[0]?.setting
}

/** HOST, PORT and AUTH are a slip away from too many other words. */
function slipsAllowed(setting: string): number {
  const { length } = setting.replace(/_FILE$/, '')
  if (length < 6) return 0
  return length < 9 ? 1 : 2
}

/** No word of the name is another word: REDIS_SSL is not REDIS_URL, DB_POOL_MIN is not DB_POOL_MAX. */
function areSlips(name: string, setting: string): boolean {
  const words = name.split('_')
  const settingWords = setting.split('_')
  if (words.length !== settingWords.length) return true
  return settingWords.every((word, i) => editDistance(words[i] ?? '', word) <= (word.length < 7 ? 1 : 2))
}

/**
 * How many characters have to be inserted, removed, replaced or swapped with their neighbour: the Damerau-Levenshtein distance
 * in its restricted form (optimal string alignment).
 */
function editDistance(a: string, b: string): number {
  // More than that is never a slip here.
  if (Math.abs(a.length - b.length) > 2) return Number.POSITIVE_INFINITY
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let least = Math.min(replaced, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) least = Math.min(least, (before[j - 2] ?? 0) + 1)
      row.push(least)
    }
    before = last
    last = row
  }
  return last[b.length] ?? 0
}
