import type { Sql } from 'postgres'
import type { OutboxStatus, OutboxStore } from '../src/index.ts'

/** An outbox in a real Postgres, as a service makes it. */
export function createPostgresOutbox(sql: Sql): OutboxStore {
  return {
    take: (limit, minAgeMs) => sql<{ id: number; key: string }[]>`
      SELECT id, key FROM cache_outbox
      WHERE created_at <= now() - make_interval(secs => ${minAgeMs / 1000}) ORDER BY id LIMIT ${limit}`,
    remove: (ids) => sql`DELETE FROM cache_outbox WHERE id = ANY(${ids.map(Number)})`,
    status: async () => {
      const [row] = await sql<OutboxStatus[]>`
        SELECT count(*)::int AS count,
          coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS "oldestSeconds" FROM cache_outbox`
      return row ?? { count: 0, oldestSeconds: 0 }
    },
  }
}

export async function createOutboxTable(sql: Sql): Promise<void> {
  await sql`CREATE TABLE cache_outbox (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL, created_at timestamptz NOT NULL DEFAULT now())`
}
