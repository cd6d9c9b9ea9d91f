import { query } from './postgres.ts'
import { APIS, type Production } from './production.ts'

const LAG = `SELECT application_name, state, sync_state, pg_wal_lsn_diff(sent_lsn, replay_lsn), coalesce(replay_lag, '0') FROM pg_stat_replication`
const SLOTS = `SELECT slot_name, active, wal_status, pg_size_pretty(safe_wal_size) FROM pg_replication_slots`

/** Containers, readiness, replication and Redis as text. */
export async function status(production: Production): Promise<string> {
  const { state } = production
  const lines = [
    await production.compose(['ps', '--all', '--format', 'table {{.Name}}\t{{.Image}}\t{{.Status}}']),
  ]
  for (const api of [...APIS, 'worker']) {
    for (const container of await production.containers(api)) {
      const answer = await production.ask(container, '/ready')
      lines.push(`${container.name}: ready ${answer?.status ?? 'no answer'} ${answer?.body ?? ''}`)
    }
  }
  const ask = (sql: string) => query(production, state.primary(), sql).catch(() => 'does not answer')
  lines.push(
    '',
    `primary: ${state.primary()}`,
    `replicas (name, state, kind, bytes behind, time behind): ${(await ask(LAG)) || 'none'}`,
    `slots (name, in use, WAL, room left): ${(await ask(SLOTS)) || 'none'}`,
    `Redis: ${await redis(production)}`,
  )
  return lines.join('\n')
}

async function redis(production: Production): Promise<string> {
  const script =
    'REDISCLI_AUTH=$(</run/secrets/redis_admin_password) exec redis-cli --user admin --no-auth-warning CLUSTER INFO'
  const info = await production.exec('redis-1', ['bash', '-c', script]).catch(() => '')
  const value = (name: string) => new RegExp(`${name}:(\\w+)`).exec(info)?.[1] ?? 'unknown'
  return `${value('cluster_state')}, ${value('cluster_slots_ok')} slots, ${value('cluster_known_nodes')} nodes`
}
