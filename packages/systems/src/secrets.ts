import {
  ConfigError,
  type Environment,
  EXIT_CONFIG,
  EXIT_TEMPORARY,
  type Fault,
  readSettings,
  settings,
} from '@reference/config'
import { readVaultSecret, VaultError } from './vault-secret.ts'

const VAULT_SETTINGS = [
  'VAULT_ADDR',
  'VAULT_SECRET_PATH',
  'VAULT_ROLE_ID',
  'VAULT_SECRET_ID',
  'VAULT_TIMEOUT_MS',
] as const

/**
 * Adds the secret at VAULT_SECRET_PATH to the environment: a key that names a setting fills that setting, unless the
 * environment has it as NAME or NAME_FILE. Vault is read once, at the start, so its loss later harms nothing, and a changed
 * secret needs a restart. Without VAULT_SECRET_PATH, Vault is not called.
 *
 * @param onIgnored called with the keys that name no setting
 * @throws ConfigError when a setting for Vault, or a value in the secret, is wrong
 * @throws VaultError when Vault refuses, or is unavailable for VAULT_TIMEOUT_MS
 */
export async function withVaultSecrets(
  environment: Environment = process.env,
  onIgnored: (keys: string[]) => void = () => {},
): Promise<Environment> {
  const read = readSettings(VAULT_SETTINGS, environment)
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
  const others = Object.keys(secret).filter((name) => !isSetting(name))
  if (others.length > 0) onIgnored(others)
  return { ...environment, ...settingsIn(secret, environment) }
}

function isSetting(name: string): boolean {
  return name in settings && !name.startsWith('VAULT_')
}

/** The settings of a secret that the environment does not have. */
function settingsIn(secret: Readonly<Record<string, unknown>>, environment: Environment): Environment {
  const faults: Fault[] = []
  const filled: Record<string, string> = {}
  for (const [name, value] of Object.entries(secret)) {
    if (!isSetting(name) || environment[name] || environment[`${name}_FILE`]) continue
    if (typeof value === 'string' || typeof value === 'number') filled[name] = String(value)
    else faults.push({ name, message: 'is neither text nor a number in Vault' })
  }
  if (faults.length > 0) throw new ConfigError(faults)
  return filled
}

/** As {@link withVaultSecrets}, but prints an error to stderr and ends the process: with 75 if Vault is unavailable, else 78. */
export async function withVaultSecretsOrExit(environment: Environment = process.env): Promise<Environment> {
  const print = (line: string) => process.stderr.write(`secrets: ${line}\n`)
  try {
    return await withVaultSecrets(environment, (keys) =>
      print(`ignored, since they name no setting: ${keys.join(', ')}`),
    )
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof VaultError)) throw error
    print(error.message)
    process.exit(error.code === 'VAULT_UNAVAILABLE' ? EXIT_TEMPORARY : EXIT_CONFIG)
  }
}
