import { invalidOption } from '../errors.ts'

/**
 * The statements of an outbox. Lists are sent as JSON text: drivers differ in how they send arrays, and some can be set up not to
 * know the types of arrays.
 *
 * @throws AppError CACHE_OPTION_INVALID
 */
export function createStatements(schema: string | undefined) {
  const { outbox, registrations } = namesIn(schema)
  return {
    insert: `insert into ${outbox} (key, cache)
      select key, r.id from jsonb_array_elements_text($1::text::jsonb) as key cross join ${registrations} as r
      returning id, key, cache`,
    // `now()` of this statement may be a moment before the snapshot: a row that the snapshot has is never too young for 0 ms.
    take: `select id, key, cache from ${outbox}
      where cache = $1::text and created_at <= now() + interval '1 ms' - $3::float8 * interval '1 ms'
      order by id limit $2::int`,
    remove: `delete from ${outbox}
      where id in (select jsonb_array_elements_text($1::text::jsonb)::bigint)`,
    status: `select count(*)::int as count,
      coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as "oldestSeconds"
      from ${outbox} where cache = $1::text`,
    register: `insert into ${registrations} (id, expires_at) values ($1::text, now() + $2::float8 * interval '1 ms')
      on conflict (id) do update set expires_at = excluded.expires_at`,
    // Waits for a removal in progress, and then finds no row.
    touch: `update ${registrations} set expires_at = now() + $2::float8 * interval '1 ms' where id = $1::text returning id`,
    writers: `select distinct virtualtransaction as holder from pg_locks
      where locktype = 'relation' and granted and mode = 'RowExclusiveLock'
        and database = (select oid from pg_database where datname = current_database())
        and relation = '${outbox}'::regclass`,
    expire: `delete from ${registrations} where expires_at < now()`,
    purge: `delete from ${outbox} where id in (
        select o.id from ${outbox} as o
        where not exists (select from ${registrations} as r where r.id = o.cache) limit $1::int
      ) returning id`,
  }
}

/**
 * SQL that creates the tables of an outbox, for a migration. Writers need INSERT on the first table and SELECT on both; the
 * processes of the cache need SELECT, INSERT, UPDATE and DELETE on both.
 *
 * @throws AppError CACHE_OPTION_INVALID
 */
export function outboxTables(schema?: string): string {
  const { outbox, registrations } = namesIn(schema)
  return `CREATE TABLE ${outbox} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key text NOT NULL,
  cache text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX cache_outbox_cache_id_idx ON ${outbox} (cache, id);
CREATE TABLE ${registrations} (id text PRIMARY KEY, expires_at timestamptz NOT NULL);
`
}

function namesIn(schema: string | undefined) {
  if (schema !== undefined && !/^[a-z_][a-z0-9_]*$/.test(schema))
    throw invalidOption(`schema must be a lower-case identifier; got "${schema}"`)
  const prefix = schema === undefined ? '' : `${schema}.`
  return { outbox: `${prefix}cache_outbox`, registrations: `${prefix}cache_registrations` }
}
