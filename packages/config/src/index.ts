export { environmentExample, settingTable, tuningTable } from './documents.ts'
export { ConfigError, EXIT_CONFIG, EXIT_TEMPORARY, type Fault } from './errors.ts'
export {
  type Config,
  type Environment,
  fallbackOf,
  loadConfig,
  loadConfigOrExit,
  readRedisTarget,
  readSettings,
} from './load.ts'
export { type Misspelt, misspeltSettings, type WarningLog, warnOfMisspelt } from './misspelt.ts'
export type { RedisTarget } from './redis.ts'
export { type RedisTls, redisTlsOptions } from './redis-tls.ts'
export { servicesOf } from './services-of.ts'
export type { ServiceDefinition, Setting, Tuning } from './setting.ts'
export { settings } from './settings.ts'
