import { isIP } from 'node:net'
import type { Fault } from './errors.ts'

/** What TLS with Redis needs besides the trust in public authorities. All of it in PEM. */
export interface RedisTls {
  /** The only authorities that are trusted; without it those of Node, and of NODE_EXTRA_CA_CERTS. */
  readonly ca?: string
  /** For a Redis that asks its clients for a certificate (`tls-auth-clients`). */
  readonly certificate?: string
  readonly key?: string
}

export interface RedisTlsValues {
  readonly redisTls: boolean | undefined
  readonly redisCa: string | undefined
  readonly redisCert: string | undefined
  readonly redisKey: string | undefined
}

/**
 * The option `tls` of ioredis. The certificate must be valid for the host; nothing turns the verification off.
 *
 * @param host name or address of the server. A name is also sent to it (SNI), by which some providers find the database.
 */
export function redisTlsOptions(tls: RedisTls, host: string) {
  return {
    // Must be absent for an IP address (RFC 6066). Node then verifies the address of the connection.
    ...(isIP(host) === 0 && { servername: host }),
    ...(tls.ca !== undefined && { ca: tls.ca }),
    ...(tls.certificate !== undefined && { cert: tls.certificate }),
    ...(tls.key !== undefined && { key: tls.key }),
  }
}

/**
 * @param url REDIS_URL, whose scheme decides; undefined for a cluster
 * @returns undefined without TLS
 */
export function redisTls(
  values: RedisTlsValues,
  url: string | undefined,
  faults: Fault[],
): RedisTls | undefined {
  const { redisTls: wanted, redisCa: ca, redisCert: certificate, redisKey: key } = values
  const isOn = url === undefined ? wanted === true : url.startsWith('rediss:')
  checkScheme(wanted, url, faults)
  if ((certificate === undefined) !== (key === undefined)) {
    const [present, absent] = key === undefined ? ['REDIS_CERT', 'REDIS_KEY'] : ['REDIS_KEY', 'REDIS_CERT']
    faults.push({ name: present, message: `needs ${absent}` })
  }
  if (isOn) {
    return {
      ...(ca !== undefined && { ca }),
      ...(certificate !== undefined && { certificate }),
      ...(key !== undefined && { key }),
    }
  }
  const needs = url === undefined ? 'REDIS_TLS=on' : 'a REDIS_URL with rediss://'
  for (const [name, value] of Object.entries({ REDIS_CA: ca, REDIS_CERT: certificate, REDIS_KEY: key }))
    if (value !== undefined) faults.push({ name, message: `has no effect without ${needs}` })
  return undefined
}

function checkScheme(wanted: boolean | undefined, url: string | undefined, faults: Fault[]): void {
  if (url === undefined || wanted === undefined || wanted === url.startsWith('rediss:')) return
  const scheme = wanted ? 'redis://, which is not TLS: write rediss://' : 'rediss://, which is TLS'
  faults.push({ name: 'REDIS_TLS', message: `contradicts REDIS_URL, which begins with ${scheme}` })
}
