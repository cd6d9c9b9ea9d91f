import { invalidKey } from './errors.ts'

/**
 * A key has two forms. In this process and in the outbox it is `c:user:1:{42}`, the same for everyone who writes. In Redis the
 * prefix of the installation stands before it: `shop:db-3f9a1c20be:c:user:1:{42}`, so that two installations on one Redis
 * never meet. All keys of an installation begin with its prefix; those that need no announcement lie beside the tracked `c:`.
 *
 * | in Redis, after the prefix | content | tracked |
 * |---|---|---|
 * | `c:user:1:{42}` | a value | yes |
 * | `c:user:1:generation:<id of the cache>` | generation of a namespace | yes |
 * | `c:id` | id of the cache | yes |
 * | `l:user:1:{42}` | lease of the value, in the same slot | no |
 * | `l:probe:{…}` | what a process writes to see that it may; a namespace has a version there | no |
 */
const TRACKED = 'c:'
const LEASES = 'l:'

/** What every key of a namespace begins with. */
export function namespacePrefix({ name, version }: { name: string; version: number }): string {
  return `${TRACKED}${name}:${version}:`
}

/**
 * The key of a value, as a write puts it into the outbox; it takes no cache to know it.
 *
 * @throws CacheError CACHE_KEY_INVALID
 */
export function keyOf(namespace: { name: string; version: number }, id: string | number): string {
  return keyWithin(namespace.name, `${namespacePrefix(namespace)}{`, id)
}

/** {@link keyOf} for many keys of one namespace. */
export function keyWithin(name: string, keyPrefix: string, id: string | number): string {
  if (typeof id === 'number') return `${keyPrefix}${id}}`
  if (id === '') throw invalidKey(`a key of "${name}" is empty`)
  // A closing brace would end the hash tag, and the value and its lease would part.
  return `${keyPrefix}${/[}%]/.test(id) ? id.replaceAll('%', '%25').replaceAll('}', '%7D') : id}}`
}

export const isKey = (text: string): boolean => text.startsWith(TRACKED)

export function namespaceOf(key: string): string {
  return key.slice(TRACKED.length, key.indexOf(':', TRACKED.length))
}

/** The keys of one installation in one Redis. */
export type KeySpace = {
  readonly prefix: string
  /** What every key begins with whose changes are announced. */
  readonly tracked: string
  /** In Redis. */
  readonly idKey: string
  toRedis(key: string): string
  leaseOf(key: string): string
  /** In Redis, in the slot of the tag. */
  probeOf(tag: string): string
  /** An announced key, as this process knows it. */
  fromRedis(redisKey: string): string
}

/**
 * @param cacheId current id of the cache. What belongs to a namespace as a whole carries it, so that values of before an id
 *   was lost belong to a generation that is never asked for again.
 */
export function createKeySpace(prefix: string, cacheId: () => string | undefined): KeySpace {
  return {
    prefix,
    tracked: prefix + TRACKED,
    idKey: `${prefix}${TRACKED}id`,
    toRedis: (key) => (key.endsWith('}') ? prefix + key : `${prefix}${key}:${cacheId()}`),
    leaseOf: (key) => prefix + LEASES + key.slice(TRACKED.length),
    probeOf: (tag) => `${prefix}${LEASES}probe:{${tag}}`,
    fromRedis(redisKey) {
      const key = redisKey.slice(prefix.length)
      return key.endsWith('}') ? key : key.slice(0, key.lastIndexOf(':'))
    },
  }
}

/** The prefix of an installation's keys, from what is set and what its database says it is. */
export function prefixOf(...parts: (string | undefined)[]): string {
  return parts.map((part) => part && `${part.replace(/:+$/, '')}:`).join('')
}
