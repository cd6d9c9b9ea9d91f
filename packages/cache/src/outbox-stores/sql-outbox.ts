import { delay } from '@reference/async'
import type { OutboxRow, OutboxStatus, OutboxStore } from '../outbox-store.ts'
import { createStatements } from './statements.ts'

/** Where the two tables of {@link outboxTables} are. */
export interface SqlOutboxOptions {
  /** Schema of the tables. Default: the first one in the `search_path` of the connection that has them. */
  schema?: string
}

/**
 * An outbox in Postgres, as an option of `createCache`.
 *
 * @typeParam Executor what the driver runs statements with, a transaction included
 */
export interface SqlOutbox<Executor> extends OutboxStore {
  /**
   * Inserts the keys of a write: per key one row for each registered cache. Call it in the transaction of the write, at the
   * isolation level `read committed`: the snapshot of a higher level may be older than the registration of a cache, which would
   * keep its value.
   *
   * @returns the rows for `cache.deliver`
   */
  insert(transaction: Executor, keys: readonly string[]): Promise<OutboxRow[]>
}

type Value = string | number

/** Runs a statement with `$1`, `$2`, … in one transaction or on one connection. */
type Run<Executor> = (executor: Executor, text: string, values: Value[]) => PromiseLike<readonly unknown[]>

const POLL_MS = 50
const PURGE_BATCH = 5_000

/**
 * The outbox of a driver.
 *
 * @param main runs the statements that belong to no transaction of a caller
 * @throws AppError CACHE_OPTION_INVALID
 */
export function createSqlOutbox<Executor>(
  run: Run<Executor>,
  main: Executor,
  options: SqlOutboxOptions = {},
): SqlOutbox<Executor> {
  const statements = createStatements(options.schema)
  const query = async <Row>(text: string, values: Value[] = []) =>
    [...(await run(main, text, values))] as Row[]
  const writers = async () => {
    const rows = await query<{ holder: string }>(statements.writers)
    return new Set(rows.map(({ holder }) => holder))
  }
  const touch = async (cache: string, keepMs: number) =>
    (await query(statements.touch, [cache, keepMs])).length > 0

  return {
    async insert(transaction, keys) {
      const rows = await run(transaction, statements.insert, [JSON.stringify(keys)])
      return [...rows] as OutboxRow[]
    },
    take: (cache, limit, minAgeMs) => query<OutboxRow>(statements.take, [cache, limit, minAgeMs]),
    remove: (ids) => query(statements.remove, [JSON.stringify(ids)]),
    async status(cache) {
      const [row] = await query<OutboxStatus>(statements.status, [cache])
      return row ?? { count: 0, oldestSeconds: 0 }
    },
    touch,
    async register(cache, keepMs, signal) {
      await query(statements.register, [cache, keepMs])
      // A transaction that takes its lock on the outbox after the registration has committed takes its snapshot later still, and
      // inserts rows for the cache. Only the holders of that lock have to end, so an export of another table delays nothing.
      let earlier = await writers()
      while (earlier.size > 0) {
        await delay(POLL_MS, { signal })
        await touch(cache, keepMs)
        earlier = earlier.intersection(await writers())
      }
    },
    async expire(signal) {
      await query(statements.expire)
      const purge = () => query(statements.purge, [PURGE_BATCH])
      while (!signal.aborted && (await purge()).length === PURGE_BATCH);
    },
  }
}
