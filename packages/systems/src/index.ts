export { systemSettings } from './from-config.ts'
export { withVaultSecrets, withVaultSecretsOrExit } from './secrets.ts'
export { createSystems, type Systems, type SystemsOptions } from './systems.ts'
