import { SESSION_SETTINGS } from '@reference/postgres'

/** The role's `statement_timeout`: a statement of a request takes milliseconds. */
export const ROLE_STATEMENT_TIMEOUT_MS = 10_000

/**
 * The settings that `migrate()` gives to the sessions of the role in this database. They belong to the role, because PgBouncer drops
 * or refuses them when a client sends them at its start, and to this database, because that takes precedence over settings of the
 * role or the database alone.
 *
 * - The settings that change what statements mean: clients send them as well, which PgBouncer allows for some only.
 * - After 10 s a statement of a request is useless: its caller has left, and it holds a connection. `/report` raises its limit with
 *   SET LOCAL.
 * - An idle transaction holds locks and blocks vacuum. The transactions of the services wait only for the database and one enqueue,
 *   so 10 s without a statement mean that the process hangs.
 */
export const ROLE_SETTINGS: Readonly<Record<string, string>> = {
  ...SESSION_SETTINGS,
  statement_timeout: `${ROLE_STATEMENT_TIMEOUT_MS / 1000}s`,
  idle_in_transaction_session_timeout: '10s',
}
