import { readFileSync } from 'node:fs'
import { Value } from 'typebox/value'
import { ConfigError, EXIT_CONFIG, type Fault } from './errors.ts'
import { type JwtTarget, jwtTarget } from './jwt.ts'
import { type RedisTarget, redisTarget } from './redis.ts'
import type { ServiceDefinition, Setting, ValueOf } from './setting.ts'
import { settings } from './settings.ts'

type Camel<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Lowercase<Head>}${Capitalize<Camel<Tail>>}`
  : Lowercase<Name>

type Values = { readonly [Name in keyof typeof settings as Camel<Name>]: ValueOf<(typeof settings)[Name]> }

/** The configuration of a service: one property for each row of the settings table, and values derived from them. */
export type Config = Omit<Values, 'databaseUrl' | 'databaseDirectUrl' | 'databaseReplicaUrl' | 'auth'> & {
  /** The name of the service. */
  readonly service: string
  readonly databaseUrl: string
  readonly databaseDirectUrl: string
  readonly databaseReplicaUrl: string
  readonly auth: 'off' | 'token' | 'jwt'
  /** Present with `auth: 'jwt'`. */
  readonly jwt: JwtTarget | undefined
  readonly apiDocs: boolean
  readonly redis: RedisTarget | undefined
}

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the settings of a service from the environment.
 *
 * An empty variable counts as absent. `NAME_FILE` names a file that holds the value of `NAME`.
 *
 * @returns a deeply frozen object
 * @throws ConfigError with every fault at once
 */
export function loadConfig(service: ServiceDefinition, environment: Environment = process.env): Config {
  const faults: Fault[] = []
  const values: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries<Setting>(settings)) {
    const value = readSetting(name, setting, environment, faults)
    values[camelCase(name)] = value === undefined ? fallbackOf(setting, service) : value
  }
  const read = values as Values
  if (read.databaseUrl === undefined && !faults.some(({ name }) => name.startsWith('DATABASE_URL'))) {
    faults.push({ name: 'DATABASE_URL', message: 'is required: a URL with postgres://' })
  }
  if (read.internalPort !== undefined && read.internalPort !== 0 && read.internalPort === read.port) {
    faults.push({ name: 'INTERNAL_PORT', message: 'must differ from PORT' })
  }
  const redis = redisTarget(read, faults)
  const jwt = jwtTarget(read, faults)
  if (faults.length > 0) throw new ConfigError(faults)

  const databaseUrl = read.databaseUrl ?? ''
  return deepFreeze({
    ...read,
    service: service.name,
    databaseUrl,
    databaseDirectUrl: read.databaseDirectUrl ?? databaseUrl,
    databaseReplicaUrl: read.databaseReplicaUrl ?? databaseUrl,
    apiDocs: read.apiDocs ?? read.nodeEnv !== 'production',
    auth: read.auth ?? (read.nodeEnv === 'production' ? 'token' : 'off'),
    jwt,
    redis,
  })
}

/**
 * Reads some settings, for a command that needs no others; with the checks of {@link loadConfig}.
 *
 * @returns undefined for an absent setting, which gets no default
 * @throws ConfigError with every fault at once
 */
export function readSettings<Name extends keyof typeof settings>(
  names: readonly Name[],
  environment: Environment = process.env,
): { readonly [Key in Name]: Exclude<ValueOf<(typeof settings)[Key]>, undefined> | undefined } {
  const faults: Fault[] = []
  const values = names.map((name) => [name, readSetting(name, settings[name], environment, faults)])
  if (faults.length > 0) throw new ConfigError(faults)
  return Object.fromEntries(values)
}

/**
 * Reads the settings of Redis, for a command that needs no others.
 *
 * @returns undefined without a Redis
 * @throws ConfigError with every fault at once
 */
export function readRedisTarget(environment: Environment = process.env): RedisTarget | undefined {
  const names = [
    'REDIS_URL',
    'REDIS_CLUSTER_NODES',
    'REDIS_USERNAME',
    'REDIS_PASSWORD',
    'REDIS_TLS',
    'REDIS_CA',
    'REDIS_CERT',
    'REDIS_KEY',
  ] as const
  const read = readSettings(names, environment)
  const faults: Fault[] = []
  const target = redisTarget(
    {
      redisUrl: read.REDIS_URL,
      redisClusterNodes: read.REDIS_CLUSTER_NODES,
      redisUsername: read.REDIS_USERNAME,
      redisPassword: read.REDIS_PASSWORD,
      redisTls: read.REDIS_TLS,
      redisCa: read.REDIS_CA,
      redisCert: read.REDIS_CERT,
      redisKey: read.REDIS_KEY,
    },
    faults,
  )
  if (faults.length > 0) throw new ConfigError(faults)
  return target
}

/** As {@link loadConfig}, but prints all faults to stderr and ends the process with code 78. */
export function loadConfigOrExit(service: ServiceDefinition, environment: Environment = process.env): Config {
  try {
    return loadConfig(service, environment)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${service.name}: ${error.message}\n`)
    process.exit(EXIT_CONFIG)
  }
}

function readSetting(name: string, setting: Setting, environment: Environment, faults: Fault[]): unknown {
  const text = readText(name, environment, faults)
  if (text === undefined) return undefined
  const fault = setting.faultOf?.(text)
  if (fault !== undefined) {
    faults.push({ name, message: fault })
    return undefined
  }
  const value = setting.read(text)
  if (Value.Check(setting.schema, value)) return value
  const got = setting.secret ? '' : `, got ${JSON.stringify(text.slice(0, 80))}`
  faults.push({ name, message: `must be ${setting.expects}${got}` })
  return undefined
}

function readText(name: string, environment: Environment, faults: Fault[]): string | undefined {
  const text = environment[name] || undefined
  const file = environment[`${name}_FILE`] || undefined
  if (file === undefined) return text
  if (text !== undefined) {
    faults.push({ name: `${name}_FILE`, message: `cannot be set together with ${name}` })
    return undefined
  }
  try {
    const content = readFileSync(file, 'utf8').trim()
    if (content === '') faults.push({ name: `${name}_FILE`, message: `names an empty file: ${file}` })
    return content || undefined
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    faults.push({ name: `${name}_FILE`, message: `cannot be read: ${reason} ${file}` })
    return undefined
  }
}

/** The default of a setting for a service. */
export function fallbackOf(setting: Setting, service: ServiceDefinition): unknown {
  return typeof setting.fallback === 'function' ? setting.fallback(service) : setting.fallback
}

function camelCase(name: string): string {
  return name.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(deepFreeze)
  return Object.freeze(value)
}
