import { ConfigError, EXIT_CONFIG, EXIT_TEMPORARY, type Fault } from './errors.ts'
import { type Environment, readSettings } from './load.ts'
import { settings } from './settings.ts'
import { readVaultSecret, VaultError } from './vault.ts'

const VAULT = [
  'VAULT_ADDR',
  'VAULT_SECRET_PATH',
  'VAULT_ROLE_ID',
  'VAULT_SECRET_ID',
  'VAULT_TIMEOUT_MS',
] as const

/**
 * The environment, and behind it what Vault holds at VAULT_SECRET_PATH: a key that is the name of a setting fills that
 * setting unless the environment has it, as NAME or NAME_FILE. Vault is asked this once and never again, so its loss
 * after the start harms nothing; a changed secret is taken up by a restart. Without VAULT_SECRET_PATH nothing is asked.
 *
 * @param ignored told of the keys that are no settings
 * @throws ConfigError when a setting for Vault, or a value in it, is wrong
 * @throws VaultError when Vault is away for VAULT_TIMEOUT_MS, or refuses
 */
export async function withVaultSecrets(
  environment: Environment = process.env,
  ignored: (keys: string[]) => void = () => {},
): Promise<Environment> {
  const read = readSettings(VAULT, environment)
  if (read.VAULT_SECRET_PATH === undefined) return environment
  const needed = (['VAULT_ADDR', 'VAULT_ROLE_ID', 'VAULT_SECRET_ID'] as const).filter((name) => !read[name])
  if (needed.length > 0) {
    throw new ConfigError(needed.map((name) => ({ name, message: 'is required with VAULT_SECRET_PATH' })))
  }
  const secret = await readVaultSecret({
    address: read.VAULT_ADDR ?? '',
    roleId: read.VAULT_ROLE_ID ?? '',
    secretId: read.VAULT_SECRET_ID ?? '',
    path: read.VAULT_SECRET_PATH,
    timeoutMs: read.VAULT_TIMEOUT_MS ?? Number(settings.VAULT_TIMEOUT_MS.fallback),
  })
  const isSetting = (name: string) => name in settings && !name.startsWith('VAULT_')
  const others = Object.keys(secret).filter((name) => !isSetting(name))
  if (others.length > 0) ignored(others)
  const faults: Fault[] = []
  const filled: Record<string, string> = {}
  for (const [name, value] of Object.entries(secret)) {
    if (!isSetting(name) || environment[name] || environment[`${name}_FILE`]) continue
    if (typeof value === 'string' || typeof value === 'number') filled[name] = String(value)
    else faults.push({ name, message: 'is neither text nor a number in Vault' })
  }
  if (faults.length > 0) throw new ConfigError(faults)
  return { ...environment, ...filled }
}

/** As {@link withVaultSecrets}; what is wrong goes to stderr, and the process ends: 75 while Vault is away, else 78. */
export async function withVaultSecretsOrExit(environment: Environment = process.env): Promise<Environment> {
  const say = (line: string) => process.stderr.write(`secrets: ${line}\n`)
  try {
    return await withVaultSecrets(environment, (keys) =>
      say(`in Vault, but no settings, so not used: ${keys.join(', ')}`),
    )
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof VaultError)) throw error
    say(error.message)
    process.exit(error.code === 'VAULT_UNAVAILABLE' ? EXIT_TEMPORARY : EXIT_CONFIG)
  }
}
