import { SettingsError } from '@reference/command'
import { readSettings } from '@reference/config'

/**
 * Where tools connect: `DATABASE_DIRECT_URL`, else `DATABASE_URL`; each may be named with `_FILE` instead, for a
 * secret that lies in a file.
 *
 * @throws SettingsError when none is set, ConfigError when one is wrong
 */
export function directUrl(): string {
  const { DATABASE_DIRECT_URL, DATABASE_URL } = readSettings(['DATABASE_DIRECT_URL', 'DATABASE_URL'])
  const url = DATABASE_DIRECT_URL ?? DATABASE_URL
  if (url === undefined) throw new SettingsError('DATABASE_DIRECT_URL or DATABASE_URL must be set')
  return url
}
