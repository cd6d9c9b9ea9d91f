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

/** Whether what goes through PgBouncer to that database comes to a node that takes writes. */
export async function takesWrites(
  production: Production,
  primary: PostgresNode,
  database: 'reference' | 'reference_direct',
): Promise<boolean> {
  const question = 'SELECT pg_is_in_recovery()'
  return (await queryThroughPool(production, primary, database, question).catch(() => '')) === 'f'
}

/** PgBouncer reads its databases anew; connections to another host than before are closed when their transaction ends. */
export async function reloadPool(production: Production): Promise<void> {
  await production.compose(['kill', '--signal', 'HUP', 'pgbouncer'])
}
