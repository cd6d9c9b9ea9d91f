import { SettingsError, withDevelopmentStack } from '@reference/cli'
import { readSettings } from '@reference/config'

/**
 * The URL that commands connect to: `DATABASE_DIRECT_URL`, else `DATABASE_URL`, else that of the running development stack. `NAME_FILE`
 * reads either from a file.
 *
 * @throws SettingsError when neither is set
 * @throws ConfigError when one is wrong
 */
export function directUrl(environment = withDevelopmentStack()): string {
  const names = ['DATABASE_DIRECT_URL', 'DATABASE_URL'] as const
  const { DATABASE_DIRECT_URL, DATABASE_URL } = readSettings(names, environment)
  const url = DATABASE_DIRECT_URL ?? DATABASE_URL
  if (url === undefined) {
    throw new SettingsError(
      'DATABASE_DIRECT_URL or DATABASE_URL must be set, or pnpm dev or pnpm stack run in this clone',
    )
  }
  return url
}

/** The role that owns the tables: DATABASE_OWNER_URL, else as {@link directUrl}. */
export function ownerUrl(): string {
  const environment = withDevelopmentStack()
  return readSettings(['DATABASE_OWNER_URL'], environment).DATABASE_OWNER_URL ?? directUrl(environment)
}
