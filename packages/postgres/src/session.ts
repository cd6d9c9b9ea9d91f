/**
 * Settings of a session that change what a statement means or how its result is written. `alter database`, `alter role`
 * and `postgresql.conf` can set each of them to something else; the services rely on these values.
 *
 * Not among them: `default_transaction_read_only`. Operators and providers turn it on to stop writes (maintenance, a full
 * disk); writes are then a 503, and nothing is read wrongly.
 */
export const sessionSettings: Readonly<Record<string, string>> = {
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
 * Those that every PgBouncer takes at the start of a session and sets on the connection that serves it. It refuses the
 * session for any other, unless it is told to ignore them.
 */
export const trackedByPgBouncer: ReadonlySet<string> = new Set([
  'DateStyle',
  'TimeZone',
  'standard_conforming_strings',
])

export interface SettingDifference {
  readonly name: string
  readonly expected: string
  readonly found: string
}

/** Compares what a session has (`name` and `setting` of pg_settings) with what the services rely on. */
export function differingSettings(
  found: readonly { readonly name: string; readonly setting: string }[],
): SettingDifference[] {
  return found.flatMap(({ name, setting }) => {
    const expected = sessionSettings[name]
    if (expected === undefined || plain(setting) === plain(expected)) return []
    // Any number of digits from 1 on writes the shortest text that gives the same number.
    if (name === 'extra_float_digits' && Number(setting) >= 1) return []
    return [{ name, expected, found: setting }]
  })
}

// Names of UTC, and how lists are written.
function plain(value: string): string {
  const text = value.toLowerCase().replaceAll(/["\s]/g, '')
  return ['etc/utc', 'gmt', 'utc0', 'zulu'].includes(text) ? 'utc' : text
}
