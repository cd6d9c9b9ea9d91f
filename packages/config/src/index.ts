export { ConfigError, EXIT_CONFIG, type Fault } from './errors.ts'
export { type Config, fallbackOf, loadConfig, loadConfigOrExit, type RedisTarget } from './load.ts'
export { type ServiceName, type Setting, serviceNames, type Tuning } from './setting.ts'
export { type SettingName, settings } from './settings.ts'
