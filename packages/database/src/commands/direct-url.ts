import { SettingsError } from '@reference/cli'
import { readSettings } from '@reference/config'

/**
 * The URL that commands connect to: `DATABASE_DIRECT_URL`, else `DATABASE_URL`. `NAME_FILE` reads either from a file.
 *
 * @throws SettingsError when neither is set
 * @throws ConfigError when one is wrong
 */
export function directUrl(): string {
  const { DATABASE_DIRECT_URL, DATABASE_URL } = readSettings(['DATABASE_DIRECT_URL', 'DATABASE_URL'])
  const url = DATABASE_DIRECT_URL ?? DATABASE_URL
  if (url === undefined) throw new SettingsError('DATABASE_DIRECT_URL or DATABASE_URL must be set')
  return url
}

/** The role that owns the tables: DATABASE_OWNER_URL, else as {@link directUrl}. */
export function ownerUrl(): string {
  return readSettings(['DATABASE_OWNER_URL']).DATABASE_OWNER_URL ?? directUrl()
}
