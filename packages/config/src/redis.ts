import type { Fault } from './errors.ts'
import { type RedisTls, type RedisTlsValues, redisTls } from './redis-tls.ts'

/** The Redis of cache tier 2. */
export type RedisTarget =
  | {
      readonly kind: 'single'
      /** With user and password, from the URL or from their own settings. */
      readonly url: string
      /** Certificates for `rediss://`. */
      readonly tls?: RedisTls
    }
  | {
      readonly kind: 'cluster'
      readonly nodes: readonly { readonly host: string; readonly port: number }[]
      readonly username?: string
      readonly password?: string
      /** Present: connections to every node use TLS. */
      readonly tls?: RedisTls
    }

export interface RedisValues extends RedisTlsValues {
  readonly redisUrl: string | undefined
  readonly redisClusterNodes: readonly { readonly host: string; readonly port: number }[] | undefined
  readonly redisUsername: string | undefined
  readonly redisPassword: string | undefined
}

/**
 * Combines the settings of Redis. REDIS_USERNAME and REDIS_PASSWORD apply to REDIS_URL as to a cluster, so that the password
 * can come from a file while the URL is not a secret.
 *
 * @param faults receives settings that contradict each other or would have no effect
 * @returns undefined when no Redis is set
 */
export function redisTarget(values: RedisValues, faults: Fault[]): RedisTarget | undefined {
  const { redisUrl, redisClusterNodes, redisUsername, redisPassword } = values
  if (redisUrl !== undefined && redisClusterNodes !== undefined) {
    faults.push({ name: 'REDIS_CLUSTER_NODES', message: 'cannot be set together with REDIS_URL' })
    return undefined
  }
  if (redisUrl === undefined && redisClusterNodes === undefined) return undefined
  const tls = redisTls(values, redisUrl, faults)
  if (redisUrl !== undefined)
    return { kind: 'single', url: withLogin(redisUrl, values, faults), ...(tls && { tls }) }
  if (redisClusterNodes === undefined) return undefined
  if (redisUsername !== undefined && redisPassword === undefined) faults.push(USERNAME_ALONE)
  return {
    kind: 'cluster',
    nodes: redisClusterNodes,
    ...(redisUsername === undefined ? {} : { username: redisUsername }),
    ...(redisPassword === undefined ? {} : { password: redisPassword }),
    ...(tls && { tls }),
  }
}

const USERNAME_ALONE = { name: 'REDIS_USERNAME', message: 'needs REDIS_PASSWORD' }

/** Parameters of other clients' URLs, which would have no effect here. */
function checkParameters(url: URL, faults: Fault[]): void {
  const ignored = [...url.searchParams.keys()].map((name) => `?${name}`)
  if (url.hash !== '') ignored.push('#')
  if (ignored.length > 0) {
    const tls = 'rediss:// is TLS, REDIS_CA_FILE names a private CA'
    faults.push({ name: 'REDIS_URL', message: `has no parameter ${ignored.join(', ')}; ${tls}` })
  }
}

function withLogin(redisUrl: string, { redisUsername, redisPassword }: RedisValues, faults: Fault[]): string {
  const url = new URL(redisUrl)
  checkParameters(url, faults)
  const logins = [
    ['REDIS_USERNAME', 'username', redisUsername],
    ['REDIS_PASSWORD', 'password', redisPassword],
  ] as const
  for (const [name, part, value] of logins) {
    if (value === undefined) continue
    const inUrl = decodeURIComponent(url[part])
    if (inUrl !== '' && inUrl !== value) {
      faults.push({ name, message: `differs from the ${part} in REDIS_URL: set one of them` })
    }
    url[part] = encodeURIComponent(value)
  }
  if (url.username !== '' && url.password === '') {
    const alone = { name: 'REDIS_URL', message: 'has a user and no password' }
    faults.push(redisUsername === undefined ? alone : USERNAME_ALONE)
  }
  return redisUsername === undefined && redisPassword === undefined ? redisUrl : url.href
}
