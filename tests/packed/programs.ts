/** Programs for the installed package that its README does not spell out. */

/**
 * Two caches, as of two processes, with Drizzle on each of its drivers: one reads, the other one writes.
 *
 * @param database a literal
 * @param redis the option `redis`, as source
 */
export function drizzlePrograms(database: string, redis: string): Record<string, string> {
  return {
    'drizzle-on-postgres-js': program({
      imports: `import { drizzle } from 'drizzle-orm/postgres-js'\nimport postgres from 'postgres'\nimport { drizzleOutbox } from '@reference/cache/outbox/drizzle'`,
      open: `const client = postgres(${database}, { onnotice: () => {} })\nconst db = drizzle(client)\nconst outbox = drizzleOutbox(db)`,
      run: 'db.execute',
      begin: 'db.transaction',
      redis,
    }),
    'drizzle-on-pg': program({
      imports: `import { drizzle } from 'drizzle-orm/node-postgres'\nimport pg from 'pg'\nimport { drizzleOutbox } from '@reference/cache/outbox/drizzle'`,
      open: `const client = new pg.Pool({ connectionString: ${database} })\nconst db = drizzle(client)\nconst outbox = drizzleOutbox(db)`,
      run: 'db.execute',
      begin: 'db.transaction',
      redis,
    }),
    'postgres-js': program({
      imports: `import postgres from 'postgres'\nimport { postgresJsOutbox } from '@reference/cache/outbox/postgres-js'`,
      open: `const client = postgres(${database}, { onnotice: () => {} })\nconst outbox = postgresJsOutbox(client)`,
      run: 'client.unsafe',
      begin: 'client.begin',
      redis,
    }),
  }
}

function program(of: { imports: string; open: string; run: string; begin: string; redis: string }): string {
  const execute = of.run.split('.')[1]
  return `import { createCache, outboxTables } from '@reference/cache'
${of.imports}

${of.open}
await ${of.run}(outboxTables())
await ${of.run}('create table users (id int primary key, name text)')
await ${of.run}("insert into users values (42, 'Ada')")

const open = async () => {
  const cache = createCache({ redis: ${of.redis}, outbox })
  if (!(await cache.whenUsable(20_000))) throw new Error('not usable')
  const users = cache.namespace({
    name: 'user',
    version: 1,
    ttlMs: 60_000,
    load: async (id: number) => {
      const result: unknown = await ${of.run}('select name from users where id = ' + id)
      const rows = Array.isArray(result) ? result : (result as { rows: unknown[] }).rows
      return rows[0] as { name: string }
    },
  })
  return { cache, users }
}
const [here, there] = [await open(), await open()]
console.log((await there.users.get(42)).value?.name)
while (there.users.getSync(42) === undefined) await there.users.get(42)

const keys = [here.users.keyOf(42)]
const rows = await ${of.begin}(async (tx) => {
  await tx.${execute}("update users set name = 'Grace' where id = 42")
  return outbox.insert(tx, keys)
})
if (rows.length !== 1) throw new Error('one cache is registered')
const { undelivered } = await here.cache.deliver(keys, rows)
if (undelivered.length > 0) throw new Error('undelivered')
while ((await there.users.get(42)).value?.name === 'Ada') await new Promise(setImmediate)
console.log((await there.users.get(42)).value?.name)

await Promise.all([here.cache.close(), there.cache.close()])
await client.end()
`
}

/** A cache whose Redis asks for a certificate that it does not have. It prints where a value comes from after several refusals. */
export function refusedByTls(url: string, ca: string): string {
  const redis = `{ kind: 'single', url: '${url}', tls: { ca: ${JSON.stringify(ca)} } }`
  return `import { createCache } from '@reference/cache'

const cache = createCache({ redis: ${redis} })
const items = cache.namespace({ name: 'item', version: 1, ttlMs: 60_000, load: async (id: number) => ({ id }) })
const endsAt = performance.now() + 5_000
let refused = 0
while (refused < 20 && performance.now() < endsAt) {
  await cache.ready().catch(() => refused++)
  await new Promise((resolve) => setTimeout(resolve, 100))
}
console.log((await items.get(1)).from)
await cache.close()
`
}
