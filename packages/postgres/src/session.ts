/**
 * Settings of a session that change the meaning of a statement or the form of its result. `alter database`, `alter role` and
 * `postgresql.conf` can change each of them; the services rely on these values.
 *
 * `default_transaction_read_only` is not among them: operators and providers turn it on to stop writes (maintenance, a full
 * disk). Writes are then a 503, and reads are correct.
 */
export const SESSION_SETTINGS: Readonly<Record<string, string>> = {
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  bytea_output: 'hex',
  default_transaction_isolation: 'read committed',
  extra_float_digits: '1',
  search_path: 'public',
  standard_conforming_strings: 'on',
}

/**
 * The settings that every PgBouncer accepts at the start of a session and sets on the connection that serves it. PgBouncer refuses
 * a session with any other setting, unless `ignore_startup_parameters` names it.
 */
export const TRACKED_BY_PGBOUNCER: ReadonlySet<string> = new Set([
  'DateStyle',
  'TimeZone',
  'standard_conforming_strings',
])

export interface SettingDifference {
  readonly name: string
  readonly expected: string
  readonly found: string
}

/** Compares the settings of a session (`name` and `setting` of pg_settings) with the values that the services rely on. */
export function differingSettings(
  found: readonly { readonly name: string; readonly setting: string }[],
): SettingDifference[] {
  return found.flatMap(({ name, setting }) => {
    const expected = SESSION_SETTINGS[name]
    if (expected === undefined || plain(setting) === plain(expected)) return []
    // Each value from 1 on writes the shortest text that gives the same number.
    if (name === 'extra_float_digits' && Number(setting) >= 1) return []
    return [{ name, expected, found: setting }]
  })
}

/** Unifies the names of UTC and the notations of lists. */
function plain(value: string): string {
  const text = value.toLowerCase().replaceAll(/["\s]/g, '')
  return ['etc/utc', 'gmt', 'utc0', 'zulu'].includes(text) ? 'utc' : text
}
