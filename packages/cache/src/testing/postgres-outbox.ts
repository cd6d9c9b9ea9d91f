import { setTimeout as delay } from 'node:timers/promises'
import type { ISql, Sql } from 'postgres'
import type { OutboxRow, OutboxStatus, OutboxStore } from '../index.ts'

/** An outbox in a real Postgres, as in a service. */
export function createPostgresOutbox(sql: Sql): OutboxStore {
  const keptUntil = (keepMs: number) => sql`now() + make_interval(secs => ${keepMs / 1000})`
  const writers = async () => {
    const rows = await sql<{ holder: string }[]>`
      SELECT DISTINCT virtualtransaction AS holder FROM pg_locks WHERE locktype = 'relation' AND granted
        AND mode = 'RowExclusiveLock' AND relation = 'cache_outbox'::regclass`
    return new Set(rows.map(({ holder }) => holder))
  }
  return {
    take: (cache, limit, minAgeMs) => sql<OutboxRow[]>`
      SELECT id, key, cache FROM cache_outbox WHERE cache = ${cache}
        AND created_at <= now() - make_interval(secs => ${minAgeMs / 1000}) ORDER BY id LIMIT ${limit}`,
    remove: (ids) => sql`DELETE FROM cache_outbox WHERE id = ANY(${ids.map(Number)})`,
    status: async (cache) => {
      const [row] = await sql<OutboxStatus[]>`
        SELECT count(*)::int AS count, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS "oldestSeconds"
        FROM cache_outbox WHERE cache = ${cache}`
      return row ?? { count: 0, oldestSeconds: 0 }
    },
    async register(cache, keepMs, signal) {
      await sql`INSERT INTO cache_registrations VALUES (${cache}, ${keptUntil(keepMs)})`
      let earlier = await writers()
      while (earlier.size > 0) {
        await delay(10, undefined, { signal })
        earlier = earlier.intersection(await writers())
      }
    },
    async touch(cache, keepMs) {
      const rows =
        await sql`UPDATE cache_registrations SET expires_at = ${keptUntil(keepMs)} WHERE id = ${cache} RETURNING id`
      return rows.length > 0
    },
    async expire() {
      await sql`DELETE FROM cache_registrations WHERE expires_at < now()`
      await sql`DELETE FROM cache_outbox WHERE cache NOT IN (SELECT id FROM cache_registrations)`
    },
  }
}

/** In the transaction of a write: per key one row for each registered cache. */
export async function insertIntoOutbox(sql: ISql, keys: string[]): Promise<OutboxRow[]> {
  return [
    ...(await sql<OutboxRow[]>`
      INSERT INTO cache_outbox (key, cache) SELECT key, r.id FROM unnest(${keys}::text[]) AS key, cache_registrations AS r
      RETURNING id, key, cache`),
  ]
}

export async function createOutboxTable(sql: Sql): Promise<void> {
  await sql`CREATE TABLE cache_outbox (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL, cache text,
    created_at timestamptz NOT NULL DEFAULT now())`
  await sql`CREATE TABLE cache_registrations (id text PRIMARY KEY, expires_at timestamptz NOT NULL)`
}
