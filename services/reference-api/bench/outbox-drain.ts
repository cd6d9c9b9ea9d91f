import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { createCache } from '@reference/cache'
import { createDatabase, createOutboxStore } from '@reference/database'
import { startPostgres, startRedis } from '@reference/local-stack'
import { migrate, POOLS } from '@reference/shop'
import { Redis } from 'ioredis'
import postgres from 'postgres'

/**
 * What the outbox costs when Redis comes back: each process drains it before it reads tier 2 again, so the same rows may be applied
 * by several. docs/SCALING.md reckons with these figures.
 */
const help = `node services/reference-api/bench/outbox-drain.ts [--rows 10000] [--processes 1,4,16]

Given a number of undelivered rows and of processes that reach Redis at the same time, it measures the time until all of them may read
tier 2, how often each row was applied, and the load of Redis's core.
`

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '10000' },
    processes: { type: 'string', default: '1,4,16' },
    // Of the processes that this one starts.
    postgres: { type: 'string' },
    redis: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
})
const LIMIT_MS = 120_000

if (values.help) process.stdout.write(help)
else if (values.postgres !== undefined && values.redis !== undefined) {
  await drainOne(values.postgres, values.redis)
} else await compare(Number(values.rows), values.processes.split(',').map(Number))

/** A process with the part of a reference-api that matters: `ready` when it may begin, then whether tier 2 may be read. */
async function drainOne(url: string, redisUrl: string): Promise<void> {
  const database = createDatabase({ url, poolSizes: POOLS['reference-api'], applicationName: 'outbox-drain' })
  await database.ready()
  process.send?.('ready')
  await once(process, 'message')
  const cache = createCache({
    redis: { kind: 'single', url: redisUrl },
    outbox: createOutboxStore(database),
  })
  process.send?.(await cache.whenUsable(LIMIT_MS))
  await once(process, 'message')
  await cache.close()
  await database.close()
  process.disconnect?.()
}

async function compare(rows: number, counts: number[]): Promise<void> {
  const [database, server] = await Promise.all([startPostgres(), startRedis()])
  const url = database.databaseUrl
  const sql = postgres(url, { onnotice: () => {} })
  const redis = new Redis(server.url)
  try {
    await migrate({ url })
    process.stdout.write(
      '| processes | until all may read | each row was applied | Redis’s core |\n|---:|---:|---:|---:|\n',
    )
    await registerCache(url, server.url)
    for (const count of counts) {
      const fleet = await Promise.all(Array.from({ length: count }, () => start(url, server.url)))
      await sql`INSERT INTO cache_outbox (key, cache)
        SELECT 'c:user:1:{' || n || '}', id FROM generate_series(1, ${rows}) AS n CROSS JOIN cache_registrations`
      await redis.config('RESETSTAT')
      const [cpu, began] = [await cpuSeconds(redis), performance.now()]
      const usable = await Promise.all(fleet.map((each) => ask(each)))
      const ms = performance.now() - began
      const core = (await cpuSeconds(redis)) - cpu
      const deletes = Number(/cmdstat_del:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1])
      await Promise.all(fleet.map((each) => end(each)))
      const [left] = await sql<{ count: number }[]>`SELECT count(*)::int AS count FROM cache_outbox`
      if (usable.includes(false) || left?.count !== 0) throw new Error('the outbox was not drained')
      // Of each key the lease and the value.
      const times = (deletes / 2 / rows).toFixed(1)
      process.stdout.write(`| ${count} | ${ms.toFixed(0)} ms | ${times} × | ${core.toFixed(2)} s |\n`)
    }
  } finally {
    redis.disconnect()
    await sql.end()
    await Promise.all([database.stop(), server.stop()])
  }
}

/** Rows are for registered caches only: a process has to use this Redis once. */
async function registerCache(url: string, redisUrl: string): Promise<void> {
  const database = createDatabase({ url, poolSizes: POOLS['reference-api'], applicationName: 'outbox-drain' })
  const cache = createCache({
    redis: { kind: 'single', url: redisUrl },
    outbox: createOutboxStore(database),
  })
  await cache.whenUsable(LIMIT_MS)
  await cache.close()
  await database.close()
}

async function start(url: string, redisUrl: string): Promise<ChildProcess> {
  const child = fork(import.meta.filename, ['--postgres', url, '--redis', redisUrl])
  await once(child, 'message')
  return child
}

async function ask(child: ChildProcess): Promise<unknown> {
  child.send('go')
  const [usable] = await once(child, 'message')
  return usable
}

async function end(child: ChildProcess): Promise<void> {
  child.send('end')
  await once(child, 'exit')
}

async function cpuSeconds(redis: Redis): Promise<number> {
  const text = await redis.info('cpu')
  const of = (name: string) =>
    Number(new RegExp(`^used_cpu_${name}_main_thread:([\\d.]+)`, 'm').exec(text)?.[1])
  return of('user') + of('sys')
}
