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
 * - Neither limit ends a session whose client vanished between the messages of one statement (after Parse, before Bind): it counts as
 *   active, and a cancellation waits for the client. `transaction_timeout` ends it, and with it the locks that a retry waits for.
 */
export const ROLE_SETTINGS: Readonly<Record<string, string>> = {
  ...SESSION_SETTINGS,
  statement_timeout: `${ROLE_STATEMENT_TIMEOUT_MS / 1000}s`,
  idle_in_transaction_session_timeout: '10s',
  transaction_timeout: '20s',
}

const LIMITS = ['statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout']

/**
 * A statement that lifts the role's limits, for work that may take longer than a request. Reads the names from the server:
 * `transaction_timeout` exists since Postgres 17.
 *
 * @param scope until the end of the transaction or of the session
 */
export function liftLimits(scope: 'transaction' | 'session'): string {
  return setAllToZero(LIMITS, scope)
}

/** As `liftLimits`, but for `transaction_timeout` alone, whose new value does not replace a limit that runs unless it is 0. */
export function liftTransactionLimit(): string {
  return setAllToZero(['transaction_timeout'], 'transaction')
}

function setAllToZero(names: readonly string[], scope: 'transaction' | 'session'): string {
  const list = names.map((name) => `'${name}'`).join(', ')
  return `select set_config(name, '0', ${scope === 'transaction'}) from pg_settings where name in (${list})`
}
