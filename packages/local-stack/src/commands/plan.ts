import { UsageError } from '@reference/cli'
import { ConfigError, type Environment, type Fault, loadConfig, readSettings } from '@reference/config'
import { SERVICES, type ServiceName } from '@reference/shop/services'
import { freePort } from '../free-port.ts'

/** Options of the command line; each is undefined unless given. */
export interface RunFlags {
  port?: number | undefined
  parallelPort?: number | undefined
  redis?: 'single' | 'cluster' | 'off' | undefined
  postgresPort?: number | undefined
  temporary?: boolean | undefined
}

export interface ServicePlan {
  readonly name: ServiceName
  readonly host: string
  readonly port: number
  readonly internalPort: number | undefined
  /** For other processes of this machine. */
  readonly url: string
  readonly env: Environment
}

/** What `pnpm dev` and `pnpm start` run. */
export interface Plan {
  readonly services: readonly ServicePlan[]
  /** The command starts, migrates and seeds a Postgres of its own. */
  readonly ownPostgres: boolean
  /** The Redis that the command starts. */
  readonly ownRedis: false | 'single' | 'cluster'
}

const READ = [
  'HOST',
  'PORT',
  'INTERNAL_PORT',
  'UPSTREAM_URL',
  'DATABASE_URL',
  'DATABASE_DIRECT_URL',
  'DATABASE_REPLICA_URL',
  'REDIS_URL',
  'REDIS_CLUSTER_NODES',
  'REDIS_USERNAME',
  'REDIS_PASSWORD',
] as const

type Read = ReturnType<typeof readSettings<(typeof READ)[number]>>

const DEFAULT_HOST = '127.0.0.1'
const LARGEST_PORT = 65_535

/** Placeholder for the database, which starts only after all settings are valid. */
const LATER = 'postgres://later'

/**
 * Every setting has the same effect as on a service that is started alone, in each of its forms (`NAME`, `NAME_FILE`, Vault).
 * The services cannot share a port: reference-api gets PORT and INTERNAL_PORT, parallel-api the port above each.
 *
 * @param environment of the command, with the secrets of Vault
 * @throws ConfigError for settings that are wrong, contradict each other or would have no effect
 * @throws UsageError for arguments that contradict a setting
 */
export async function planRun(flags: RunFlags, environment: Environment): Promise<Plan> {
  const read = readSettings(READ, environment)
  const faults: Fault[] = []
  const ownPostgres = read.DATABASE_URL === undefined
  const ownRedis = redisOf(flags, read, faults)
  refuseIdleFlags(flags, read)
  if (ownPostgres) {
    for (const name of ['DATABASE_DIRECT_URL', 'DATABASE_REPLICA_URL'] as const) {
      if (read[name] === undefined) continue
      faults.push({
        name,
        message: 'needs DATABASE_URL: without it this command starts a Postgres of its own',
      })
    }
  }
  const host = read.HOST ?? DEFAULT_HOST
  const ports = await portsOf(flags, read, faults)
  const url = (port: number) => `http://${reachable(host)}:${port}`
  const plan = (name: ServiceName, port: number, internalPort: number | undefined, more: Environment) => ({
    name,
    host,
    port,
    internalPort,
    url: url(port),
    env: withSettings(environment, {
      HOST: host,
      PORT: String(port),
      ...(internalPort !== undefined && { INTERNAL_PORT: String(internalPort) }),
      // Vault was read already: a secret id may be valid for one use only.
      VAULT_SECRET_PATH: '',
      ...more,
    }),
  })
  const upstream = read.UPSTREAM_URL ?? url(ports.reference)
  const services = [
    plan('reference-api', ports.reference, ports.referenceInternal, {}),
    plan('parallel-api', ports.parallel, ports.parallelInternal, { UPSTREAM_URL: upstream }),
  ]
  for (const { name, env } of services) {
    faults.push(...faultsOf(name, ownPostgres ? { ...env, DATABASE_URL: LATER } : env))
  }
  if (faults.length > 0) throw new ConfigError(withoutDuplicates(faults))
  return { services, ownPostgres, ownRedis }
}

/** Sets variables, and clears their `_FILE` form. */
export function withSettings(environment: Environment, values: Environment): Environment {
  const files = Object.keys(values).map((name) => [`${name}_FILE`, ''])
  return { ...environment, ...Object.fromEntries(files), ...values }
}

function redisOf({ redis }: RunFlags, read: Read, faults: Fault[]): Plan['ownRedis'] {
  if (read.REDIS_URL !== undefined || read.REDIS_CLUSTER_NODES !== undefined) return false
  for (const name of ['REDIS_USERNAME', 'REDIS_PASSWORD'] as const) {
    if (read[name] === undefined) continue
    faults.push({ name, message: 'needs REDIS_URL or REDIS_CLUSTER_NODES' })
  }
  if (read.DATABASE_URL !== undefined || redis === 'off') return false
  return redis ?? 'single'
}

function refuseIdleFlags(flags: RunFlags, read: Read): void {
  const refuse = (flag: string, server: string, setting: string) => {
    throw new UsageError(`${flag} is for a ${server} of this command's own, and ${setting} names another one`)
  }
  if (read.DATABASE_URL !== undefined) {
    if (flags.postgresPort !== undefined) refuse('--postgres-port', 'Postgres', 'DATABASE_URL')
    if (flags.temporary === true) refuse('--temporary', 'Postgres', 'DATABASE_URL')
  }
  if (flags.redis === undefined || flags.redis === 'off') return
  if (read.REDIS_URL !== undefined) refuse('--redis', 'Redis', 'REDIS_URL')
  if (read.REDIS_CLUSTER_NODES !== undefined) refuse('--redis', 'Redis', 'REDIS_CLUSTER_NODES')
  if (read.DATABASE_URL !== undefined) {
    throw new UsageError(
      '--redis starts a Redis beside a Postgres of its own: with DATABASE_URL set REDIS_URL',
    )
  }
}

interface Ports {
  reference: number
  parallel: number
  referenceInternal: number | undefined
  parallelInternal: number | undefined
}

async function portsOf(flags: RunFlags, read: Read, faults: Fault[]): Promise<Ports> {
  const chosen = flags.port ?? read.PORT ?? SERVICES['reference-api'].defaults.PORT
  const reference = chosen === 0 ? await freePort() : chosen
  const parallel = flags.parallelPort ?? (chosen === 0 ? await freePort() : reference + 1)
  const internal = read.INTERNAL_PORT
  const above = internal === undefined || internal === 0 ? internal : internal + 1
  const taken = new Map<number, string>()
  const claims = [
    ['PORT', 'reference-api', reference],
    ['PORT', 'parallel-api', parallel],
    ['INTERNAL_PORT', 'the internal listener of reference-api', internal],
    ['INTERNAL_PORT', 'the internal listener of parallel-api', above],
  ] as const
  for (const [name, user, port] of claims) {
    if (port === undefined || port === 0) continue
    const other = taken.get(port)
    if (other !== undefined) {
      faults.push({
        name,
        message: `gives port ${port} to ${other} and to ${user}; parallel-api has the port above`,
      })
    }
    if (port > LARGEST_PORT) faults.push({ name, message: `leaves no port above it for ${user}` })
    taken.set(port, user)
  }
  return { reference, parallel, referenceInternal: internal, parallelInternal: above }
}

/** Nothing connects to 0.0.0.0 or ::, which stand for all addresses. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

function faultsOf(name: ServiceName, env: Environment): readonly Fault[] {
  try {
    loadConfig(SERVICES[name], env)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}

function withoutDuplicates(faults: readonly Fault[]): Fault[] {
  return [...new Map(faults.map((fault) => [`${fault.name} ${fault.message}`, fault])).values()]
}
