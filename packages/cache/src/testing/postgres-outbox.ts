import type { Sql, TransactionSql } from 'postgres'
import { type OutboxRow, type OutboxStore, outboxTables } from '../index.ts'
import { postgresJsOutbox } from '../outbox-stores/postgres-js.ts'

/** An outbox in a real Postgres, as in a service. */
export function createPostgresOutbox(sql: Sql): OutboxStore {
  return postgresJsOutbox(sql)
}

/** In the transaction of a write: per key one row for each registered cache. */
export async function insertIntoOutbox(sql: Sql | TransactionSql, keys: string[]): Promise<OutboxRow[]> {
  return postgresJsOutbox(sql).insert(sql, keys)
}

export async function createOutboxTable(sql: Sql): Promise<void> {
  await sql.unsafe(outboxTables())
}
