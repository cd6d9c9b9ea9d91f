import type { Production } from './production.ts'
import type { PostgresNode } from './state.ts'

/** One answer of a node, asked as its superuser over its socket. One that hangs is one that does not answer. */
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

/** The same through PgBouncer as the services see it; run inside of a node, since nothing else has psql. */
function queryThroughPool(
  production: Production,
  inside: PostgresNode,
  database: string,
  sql: string,
): Promise<string> {
  const script = `PGPASSWORD=$(</run/secrets/reference_password) exec timeout 10 psql -qtA -h pgbouncer -p 6432 -U reference -d "$0" -c "$1"`
  return production.exec(inside, ['bash', '-c', script, database, sql])
}

/**
 * Whether what goes through PgBouncer comes to a node that takes writes. Asked over the pool of sessions, which has the same
 * address: writes that wait for a synchronous replica hold every connection of the other one until the former primary is
 * back, which comes after this question.
 */
export async function takesWrites(production: Production, primary: PostgresNode): Promise<boolean> {
  const question = 'SELECT pg_is_in_recovery()'
  const answer = queryThroughPool(production, primary, 'reference_direct', question)
  return (await answer.catch(() => '')) === 'f'
}

/** PgBouncer reads its databases anew; connections to another host than before are closed when their transaction ends. */
export async function reloadPool(production: Production): Promise<void> {
  await production.compose(['kill', '--signal', 'HUP', 'pgbouncer'])
}
