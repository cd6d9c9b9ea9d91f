import { prepareDatabase, startRedis, startStack } from '@reference/local-stack'
import { Redis } from 'ioredis'
import postgres from 'postgres'
import { BenchError } from '../errors.ts'
import type { Dataset } from './dataset.ts'

/** Postgres and Redis, filled with rows, and the benchmark's own connections to them. */
export interface BenchStack {
  readonly databaseUrl: string
  /** The database `postgres`, as the superuser. */
  readonly superuserUrl: string
  readonly redisUrl: string | undefined
  /** The settings of a service that uses both. */
  readonly environment: Readonly<Record<string, string>>
  readonly dataset: Dataset
  /** Postmaster and Redis. */
  readonly pids: readonly number[]
  /** Superuser in another database, so that its statements are not counted with those of the services. */
  readonly admin: postgres.Sql
  /** Undefined where Redis is not installed. */
  readonly redis: Redis | undefined
  readonly versions: { readonly postgres: string; readonly redis: string | undefined }
  /** Creates a copy of the database with `change` applied. No service may be connected meanwhile. */
  copy(name: string, change: string): Promise<string>
  stop(): Promise<void>
}

/**
 * Starts Postgres and Redis with the files of `infra/`, migrates and seeds.
 *
 * @param options.say called with each step
 */
export async function startBenchStack(options: {
  dataset: Dataset
  say: (step: string) => void
  signal?: AbortSignal | undefined
}): Promise<BenchStack> {
  const { dataset, say, signal } = options
  say('starting Postgres and Redis')
  const stack = await startStack({ say })
  const closers: (() => Promise<unknown>)[] = [() => stack.stop()]
  const close = async () => {
    for (const step of closers.toReversed()) await step()
  }
  try {
    const { databaseUrl, redisUrl, superuserUrl } = stack
    say(`migrating, seeding ${dataset.users} users, ${dataset.products} products, ${dataset.orders} orders`)
    await prepareDatabase(databaseUrl, { ...dataset }, { signal }).catch((cause: Error) => {
      throw signal?.aborted
        ? cause
        : new BenchError('STACK_FAILED', 'the database was not prepared', { cause })
    })

    const admin = postgres(superuserUrl, {
      max: 4,
      onnotice: () => {},
      connection: { application_name: 'bench' },
    })
    closers.push(() => admin.end({ timeout: 1 }))
    await admin`CREATE EXTENSION IF NOT EXISTS pg_stat_statements`
    await vacuum(superuserUrl, databaseUrl)
    const redis = redisUrl === undefined ? undefined : new Redis(redisUrl, { maxRetriesPerRequest: 1 })
    if (redis !== undefined) closers.push(async () => redis.disconnect())
    const [{ version } = { version: 'unknown' }] = await admin<{ version: string }[]>`
      SELECT current_setting('server_version') AS version`
    const redisVersion = redis && /redis_version:(\S+)/.exec(await redis.info('server'))?.[1]
    return {
      databaseUrl,
      superuserUrl,
      redisUrl,
      environment: { DATABASE_URL: databaseUrl, ...(redisUrl && { REDIS_URL: redisUrl }) },
      dataset,
      pids: [stack.pids.postgres, ...stack.pids.redis],
      admin,
      redis,
      versions: { postgres: version, redis: redisVersion },
      copy: (name, change) => copyDatabase(admin, databaseUrl, superuserUrl, name, change),
      stop: close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * The same stack with a Redis of its own, which may be emptied without emptying the caches of other services; without Redis, the stack
 * itself.
 *
 * @param processes end the Redis
 */
export async function withOwnRedis(stack: BenchStack, processes: AsyncDisposableStack): Promise<BenchStack> {
  if (stack.redis === undefined) return stack
  const server = processes.adopt(await startRedis(), async (started) => {
    await started.stop()
  })
  const redis = processes.adopt(new Redis(server.url, { maxRetriesPerRequest: 1 }), (each) =>
    each.disconnect(),
  )
  const environment = { ...stack.environment, REDIS_URL: server.url }
  const [postmaster = 0] = stack.pids
  return { ...stack, redisUrl: server.url, environment, redis, pids: [postmaster, server.pid] }
}

/** Builds statistics and the visibility map; otherwise autovacuum does so during the first measurements. */
async function vacuum(superuserUrl: string, databaseUrl: string): Promise<void> {
  const sql = postgres(inDatabase(superuserUrl, databaseName(databaseUrl)), { max: 1, onnotice: () => {} })
  await sql.unsafe('VACUUM (ANALYZE)')
  await sql.unsafe('CHECKPOINT')
  await sql.end()
}

async function copyDatabase(
  admin: postgres.Sql,
  databaseUrl: string,
  superuserUrl: string,
  name: string,
  change: string,
): Promise<string> {
  const url = inDatabase(databaseUrl, name)
  const owner = decodeURIComponent(new URL(databaseUrl).username)
  const [existing] = await admin`SELECT 1 FROM pg_database WHERE datname = ${name}`
  if (existing !== undefined) return url
  const template = databaseName(databaseUrl)
  await admin`SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = ${template}`
  await admin`CREATE DATABASE ${admin(name)} TEMPLATE ${admin(template)} OWNER ${admin(owner)}`
  const sql = postgres(inDatabase(superuserUrl, name), { max: 1, onnotice: () => {} })
  await sql.unsafe(change)
  await sql.unsafe('VACUUM (ANALYZE)')
  await sql.end()
  return url
}

export function databaseName(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1))
}

/** The URL of another database on the same server. */
export function inDatabase(url: string, name: string): string {
  const changed = new URL(url)
  changed.pathname = `/${name}`
  return changed.href
}
