import { execFileSync } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import {
  prepareDatabase,
  startPostgres,
  startService,
  testRedis,
  throwAwaySettings,
  until,
} from '@reference/local-stack'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { createCall } from './testing/test-api.ts'

const AFTER_RESTORE = join(REPOSITORY_ROOT, 'infra/backup/after-restore.sql')

/** A Postgres whose data goes back to an earlier moment: the same server, with the same identifier, and older rows. */
async function restorable(t: Test) {
  const folder = await mkdtemp(join(tmpdir(), 'restored-'))
  // The server may run as another user, which needs access to the folder.
  await chmod(folder, 0o755)
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const dataDir = join(folder, 'data')
  const copy = (from: string, to: string) => execFileSync('cp', ['-a', from, to])
  const start = async () => {
    const server = await startPostgres({ dataDir, settings: throwAwaySettings })
    t.teardown(server.stop)
    return server
  }
  return {
    start,
    save: () => copy(dataDir, `${dataDir}.saved`),
    async restore() {
      await rm(dataDir, { recursive: true })
      copy(`${dataDir}.saved`, dataDir)
    },
  }
}

/** Starts the API on the server, lets it work, and stops both. */
async function withApi<T>(
  t: Test,
  server: Awaited<ReturnType<typeof startPostgres>>,
  redisUrl: string,
  work: (call: ReturnType<typeof createCall>) => Promise<T>,
): Promise<T> {
  const service = startService(t, 'reference-api', { DATABASE_URL: server.apiUrl, REDIS_URL: redisUrl })
  try {
    const call = createCall(await service.listening())
    await until(
      'the cache is in use',
      async () => (await call('GET', '/users/2')).headers['x-cache'] === 'l1',
    )
    return await work(call)
  } finally {
    await service.end('SIGTERM')
    await server.stop()
  }
}

t.setTimeout(120_000)

t.test('after a restore to a point in time Redis holds newer rows, which are not read', async (t) => {
  const database = await restorable(t)
  const redis = await testRedis(t, { own: true })
  const first = await database.start()
  await prepareDatabase(first.databaseUrl, { users: 10, products: 1, orders: 1 }, { apiUrl: first.apiUrl })
  // The cache is registered in the database: a service that has run before the moment.
  await withApi(t, first, redis.url, async () => {})
  database.save()
  const name = await withApi(t, await database.start(), redis.url, async (call) => {
    const { body } = await call('GET', '/users/1')
    t.equal((await call('PATCH', '/users/1', { body: { name: 'Written later' } })).status, 200)
    await until('it is cached', async () => (await call('GET', '/users/1')).headers['x-cache'] === 'l1')
    return body.name
  })
  const read = (server: Awaited<ReturnType<typeof startPostgres>>) =>
    withApi(t, server, redis.url, async (call) => (await call('GET', '/users/1')).body.name)

  await database.restore()
  t.equal(
    await read(await database.start()),
    'Written later',
    'without the statements, the later row is read',
  )

  await database.restore()
  const server = await database.start()
  const sql = postgres(Object.assign(new URL(server.superuserUrl), { pathname: '/reference' }).href, {
    max: 1,
  })
  await sql`insert into cache_outbox (key, cache) values ('c:user:1:{1}', 'of a cache that is gone')`
  await sql.unsafe(await readFile(AFTER_RESTORE, 'utf8'))
  t.same(await sql`select * from cache_outbox`, [], 'no invalidation without a receiver')
  await sql.end()
  t.equal(await read(server), name)
})
