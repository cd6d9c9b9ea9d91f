import { type RedisTls, redisTlsOptions } from '@reference/config'
import { Redis, type RedisOptions } from 'ioredis'
import { type ClusterNode, parseClusterNodes } from './cluster-nodes.ts'
import { codeOf, probeError } from './errors.ts'

export type RedisAt =
  | { readonly kind: 'single'; readonly url: string; readonly tls?: RedisTls }
  | {
      readonly kind: 'cluster'
      readonly nodes: readonly { readonly host: string; readonly port: number }[]
      readonly username?: string | undefined
      readonly password?: string | undefined
      readonly tls?: RedisTls
    }

/** A server and its INFO; `info` is undefined for a server that does not answer. */
export interface RedisServer {
  readonly address: string
  readonly node: ClusterNode | undefined
  readonly info: ReadonlyMap<string, string> | undefined
  readonly keys: number | undefined
  readonly error: string | undefined
}

export interface RedisServers {
  readonly cluster: boolean
  readonly servers: RedisServer[]
}

type Options = Omit<RedisOptions, 'replyMapping'>

const LIMIT_MS = 2_000

/**
 * Asks every server of a Redis or of a Cluster, masters first. Nodes in the settings are reached at the addresses there,
 * other nodes at their addresses in the cluster.
 */
export async function findRedisServers(at: RedisAt): Promise<RedisServers> {
  if (at.kind === 'single') {
    const { host, hostname } = new URL(at.url)
    // The options win over the URL, whose rediss:// gives no certificates.
    const { info, keys } = await withRedis(
      at.url,
      secured(at.tls, hostname.replace(/^\[|\]$/g, '')),
      describe,
    )
    return { cluster: false, servers: [{ address: host, node: undefined, info, keys, error: undefined }] }
  }
  const optionsFor = (host: string, port: number) => ({
    ...loginOf(at),
    ...secured(at.tls, host),
    host,
    port,
  })
  const views = await Promise.allSettled(
    at.nodes.map(async ({ host, port }) => {
      const nodes = await withRedis(undefined, optionsFor(host, port), async (redis) =>
        parseClusterNodes(String(await redis.call('CLUSTER', 'NODES'))),
      )
      return { host, port, nodes }
    }),
  )
  const seen = views.flatMap((view) => (view.status === 'fulfilled' ? [view.value] : []))
  const [first] = seen
  if (first === undefined) {
    const [failed] = views
    throw failed?.status === 'rejected'
      ? failed.reason
      : probeError('NO_NODES', 'REDIS_CLUSTER_NODES names no node')
  }
  const reachedAt = new Map(
    seen.map(({ host, port, nodes }) => [nodes.find(({ myself }) => myself)?.id, { host, port }]),
  )
  const servers = await Promise.all(
    first.nodes.map(async (node): Promise<RedisServer> => {
      const { host, port } = reachedAt.get(node.id) ?? node
      const address = `${host}:${port}`
      try {
        const { info, keys } = await withRedis(undefined, optionsFor(host, port), describe)
        return { address, node, info, keys, error: undefined }
      } catch (error) {
        const reason = codeOf(error) ?? (error instanceof Error ? error.message : String(error))
        return { address, node, info: undefined, keys: undefined, error: reason }
      }
    }),
  )
  const order = ({ node }: RedisServer) => `${node?.role === 'master' ? 0 : 1}`
  return {
    cluster: true,
    servers: servers.sort((a, b) => `${order(a)}${a.address}`.localeCompare(`${order(b)}${b.address}`)),
  }
}

function secured(tls: RedisTls | undefined, host: string): Pick<Options, 'tls'> {
  return tls === undefined ? {} : { tls: redisTlsOptions(tls, host) }
}

function loginOf({ username, password }: { username?: string | undefined; password?: string | undefined }) {
  return { ...(username !== undefined && { username }), ...(password !== undefined && { password }) }
}

async function describe(redis: Redis): Promise<{ info: Map<string, string>; keys: number }> {
  const [text, keys] = await Promise.all([redis.info(), redis.dbsize()])
  return { info: parseInfo(text), keys }
}

/** `name:value` lines under `# Section` lines. */
export function parseInfo(text: string): Map<string, string> {
  return new Map(
    text.split(/\r?\n/).flatMap((line) => {
      const colon = line.indexOf(':')
      return line.startsWith('#') || colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)] as const]
    }),
  )
}

async function withRedis<T>(
  url: string | undefined,
  options: Options,
  use: (redis: Redis) => Promise<T>,
): Promise<T> {
  const all: Options = {
    ...options,
    lazyConnect: true,
    retryStrategy: null,
    maxRetriesPerRequest: 0,
    connectTimeout: LIMIT_MS,
    commandTimeout: LIMIT_MS,
    connectionName: 'redis-command',
  }
  const redis = url === undefined ? new Redis(all) : new Redis(url, all)
  let failure: unknown
  redis.on('error', (error) => {
    failure = error
  })
  try {
    await redis.connect()
    return await use(redis)
  } catch (error) {
    throw failure ?? error
  } finally {
    redis.disconnect()
  }
}
