import { invalidKey } from './errors.ts'

/**
 * A key has two forms. In this process and in the outbox it is `c:user:1:{42}`, the same for every writer. In Redis the
 * prefix of the installation precedes it: `shop:db-3f9a1c20be:c:user:1:{42}`, so that two installations on one Redis
 * never share a key. All keys of an installation begin with its prefix; keys that need no announcement lie beside the tracked `c:`.
 *
 * | in Redis, after the prefix | content | tracked |
 * |---|---|---|
 * | `c:user:1:{42}` | a value | yes |
 * | `c:user:1:generation:<id of the cache>` | generation of a namespace | yes |
 * | `c:id` | id of the cache | yes |
 * | `l:user:1:{42}` | lease of the value, in the same slot | no |
 * | `r:{…}` | a count that the processes share, such as the requests of a client | no |
 * | `l:probe:{…}` | written by a process as proof that Redis accepts writes; a namespace has a version in this place | no |
 */
const TRACKED = 'c:'
const LEASES = 'l:'
const COUNTS = 'r:'

/** First part of every key of a namespace. */
export function namespacePrefix({ name, version }: { name: string; version: number }): string {
  return `${TRACKED}${name}:${version}:`
}

/**
 * The key of a value, as a write inserts it into the outbox, for processes without a cache.
 *
 * @throws AppError CACHE_KEY_INVALID
 */
export function keyOf(namespace: { name: string; version: number }, id: string | number): string {
  return keyWithin(namespace.name, `${namespacePrefix(namespace)}{`, id)
}

/** {@link keyOf} for many keys of one namespace. */
export function keyWithin(name: string, keyPrefix: string, id: string | number): string {
  if (typeof id === 'number') return `${keyPrefix}${id}}`
  if (id === '') throw invalidKey(`a key of "${name}" is empty`)
  // A closing brace would end the hash tag: the value and its lease would lie in different slots.
  return `${keyPrefix}${/[}%]/.test(id) ? id.replaceAll('%', '%25').replaceAll('}', '%7D') : id}}`
}

export const isKey = (text: string): boolean => text.startsWith(TRACKED)

export function namespaceOf(key: string): string {
  return key.slice(TRACKED.length, key.indexOf(':', TRACKED.length))
}

/** The keys of one installation in one Redis. */
export interface KeySpace {
  readonly prefix: string
  /** First part of every key whose changes are announced. */
  readonly tracked: string
  /** In Redis. */
  readonly idKey: string
  toRedis(key: string): string
  leaseOf(key: string): string
  /** In Redis. */
  countOf(name: string): string
  /** In Redis, in the slot of the tag. */
  probeOf(tag: string): string
  /** An announced key, as this process knows it. */
  fromRedis(redisKey: string): string
}

/**
 * @param cacheId current id of the cache. The generation of a namespace carries it: when an id is lost, the values of that time
 *   belong to a generation that is never read again.
 */
export function createKeySpace(prefix: string, cacheId: () => string | undefined): KeySpace {
  return {
    prefix,
    tracked: prefix + TRACKED,
    idKey: `${prefix}${TRACKED}id`,
    toRedis: (key) => (key.endsWith('}') ? prefix + key : `${prefix}${key}:${cacheId()}`),
    leaseOf: (key) => prefix + LEASES + key.slice(TRACKED.length),
    countOf: (name) => `${prefix}${COUNTS}{${name}}`,
    probeOf: (tag) => `${prefix}${LEASES}probe:{${tag}}`,
    fromRedis(redisKey) {
      const key = redisKey.slice(prefix.length)
      return key.endsWith('}') ? key : key.slice(0, key.lastIndexOf(':'))
    },
  }
}

/** The prefix of an installation's keys, from the option and from the identity of its database. */
export function prefixOf(...parts: (string | undefined)[]): string {
  return parts.map((part) => part && `${part.replace(/:+$/, '')}:`).join('')
}
