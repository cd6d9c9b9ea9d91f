import type { Production } from './production.ts'
import type { PostgresNode } from './state.ts'

/** Runs SQL on a node as its superuser over its socket. A node that hangs fails the query after the limit. */
export function query(
  production: Production,
  node: PostgresNode,
  sql: string,
  limitSeconds = 10,
): Promise<string> {
  const limit = ['timeout', String(limitSeconds)]
  return production.exec(node, [
    ...limit,
    'psql',
    '--no-psqlrc',
    '-qtA',
    '-U',
    'postgres',
    '-d',
    'postgres',
    '-c',
    sql,
  ])
}

/** Runs SQL through PgBouncer, as the services do. psql exists only in the containers of the nodes. */
function queryThroughPool(
  production: Production,
  inside: PostgresNode,
  database: string,
  sql: string,
): Promise<string> {
  const script = `PGPASSWORD=$(</run/secrets/"$0"_password) exec timeout 10 psql -qtA -h pgbouncer -p 6432 -U "$0" -d "$1" -c "$2"`
  return production.exec(inside, ['bash', '-c', script, production.state.apiUser(), database, sql])
}

/**
 * Whether PgBouncer leads to a node that accepts writes. The query uses the session pool, which has the same
 * address: writes that wait for a synchronous replica hold every connection of the transaction pool until the former primary
 * is back, which happens later.
 */
export async function takesWrites(production: Production, primary: PostgresNode): Promise<boolean> {
  const question = 'SELECT pg_is_in_recovery()'
  const answer = queryThroughPool(production, primary, 'reference_direct', question)
  return (await answer.catch(() => '')) === 'f'
}

/** Makes PgBouncer reload its databases. Connections to a former host are closed when their transaction ends. */
export async function reloadPool(production: Production): Promise<void> {
  await production.compose(['kill', '--signal', 'HUP', 'pgbouncer'])
}
