import { redisTlsOptions } from '@reference/config/redis-tls'
import type { ConnectionOptions } from './connection.ts'
import { invalidOption } from './errors.ts'
import { lookUpIdentity } from './identity.ts'
import type { RedisCertificates, RedisTarget } from './options.ts'
import type { MakeNode, Topology } from './topology.ts'

/** How soon a server that was replaced under its name, and still accepts writes, is left. */
const LOOK_UP_EVERY_MS = 3_000

/**
 * A Cluster reports itself which node owns which slot. The only Redis is found by its name alone: after a failover that moved
 * the name, old connections may stay on a server that still acts as the master, so the name is looked up from time to time.
 */
export function singleRedis(target: RedisTarget & { kind: 'single' }, makeNode: MakeNode): Topology {
  const { url, tls } = target
  const options = parseUrl(url, tls)
  const node = makeNode(new URL(url).host, options, false)
  const lookUp = () =>
    void lookUpIdentity(options).then(
      (found) => node.compare(found),
      () => {},
    )
  const lookUps = setInterval(lookUp, LOOK_UP_EVERY_MS).unref()
  return {
    findOwner: () => node,
    nodes: () => [node],
    byId: () => node,
    cluster: false,
    identity: () => node.identity,
    refresh: async () => {},
    close() {
      clearInterval(lookUps)
      node.close()
    },
  }
}

function parseUrl(url: string, tls: RedisCertificates = {}): ConnectionOptions {
  const { protocol, hostname, port, username, password, pathname } = new URL(url)
  if (protocol !== 'redis:' && protocol !== 'rediss:')
    throw invalidOption('redis.url must begin with redis:// or rediss://')
  const host = hostname.replace(/^\[|\]$/g, '')
  return {
    host,
    port: port === '' ? 6379 : Number(port),
    db: pathname.length > 1 ? Number(pathname.slice(1)) : 0,
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' ? { tls: redisTlsOptions(tls, host) } : {}),
  }
}
