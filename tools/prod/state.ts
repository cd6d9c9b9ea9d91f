import { hash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export type PostgresNode = 'postgres-primary' | 'postgres-replica'

/** A deploy that has begun and not ended. */
export interface Deployment {
  tag: string
  /** Ids of the containers that were there before it. */
  old: string[]
  /** The new release serves requests, so the remaining old containers are removed. Otherwise the new ones are. */
  inService: boolean
}

/** What belongs to one production and is not in the repository: secrets, which Postgres is the primary, which release runs. */
export interface State {
  /** The folder of all of it. */
  readonly folder: string
  /** Creates missing files; existing ones stay. */
  create(): void
  exists(): boolean
  primary(): PostgresNode
  replica(): PostgresNode
  /** Both PgBouncer's databases and the nodes' roles follow at their next look at these files. */
  setPrimary(node: PostgresNode): void
  /** Both databases of PgBouncer on the primary, as long as there is no replica. */
  pointAllAtPrimary(): void
  /** What the compose file is filled with, whatever the environment of a later command says. */
  settings(): Partial<Record<Setting, string>>
  set(name: Setting, value: string): void
  /** Kept so that the next command can go on where one was killed. */
  deployment(): Deployment | undefined
  setDeployment(deployment: Deployment | undefined): void
  /** The node that a failover which has begun makes the primary. */
  failover(): PostgresNode | undefined
  setFailover(next: PostgresNode | undefined): void
  addToken(name: string, sha256: string, scope: string): void
}

export type Setting = 'TAG' | 'REPLICAS' | 'SYNCHRONOUS_STANDBY_NAMES' | 'OBSERVABILITY' | 'TRACES'

const PASSWORDS = [
  'postgres_password',
  'replicator_password',
  'reference_password',
  'pgbouncer_password',
  'pgbouncer_stats_password',
  'redis_admin_password',
  'redis_api_password',
  'postgres_exporter_password',
  'redis_exporter_password',
]

const URLS = {
  database_url: 'reference',
  database_direct_url: 'reference_direct',
  database_replica_url: 'reference_replica',
}

/** @param databases PgBouncer's file of databases, as it is before any failover */
export function openState(folder: string, databases: string): State {
  const file = (name: string) => join(folder, name)
  const read = (name: string) => readFileSync(file(name), 'utf8').trim()

  /** In place: a container that mounts the file goes on seeing it. */
  const write = (name: string, content: string) => {
    writeFileSync(file(name), content)
    // The folder is closed to others; the users inside of the containers are others to the file.
    chmodSync(file(name), 0o444)
  }
  const writeOnce = (name: string, content: () => string) => {
    if (!existsSync(file(name))) write(name, content())
  }
  const rewrite = (name: string, content: string) => {
    chmodSync(file(name), 0o644)
    write(name, content)
  }

  const find = (name: string): unknown => (existsSync(file(name)) ? JSON.parse(read(name)) : undefined)
  /** For what only these commands read: the old content or the new one, never a half. */
  const replace = (name: string, content: unknown) => {
    if (content === undefined) return rmSync(file(name), { force: true })
    writeFileSync(file(`${name}.new`), `${JSON.stringify(content)}\n`, { mode: 0o600 })
    renameSync(file(`${name}.new`), file(name))
  }

  const state: State = {
    folder,
    create() {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      chmodSync(folder, 0o700)
      // Inside of the closed folder, and mounted by itself.
      mkdirSync(file('state'), { recursive: true, mode: 0o755 })
      for (const name of PASSWORDS) writeOnce(name, () => randomBytes(24).toString('base64url'))
      const login = `postgres://reference:${read('reference_password')}@pgbouncer:6432`
      for (const [name, database] of Object.entries(URLS)) writeOnce(name, () => `${login}/${database}`)
      // One exporter asks all nodes; it looks its password up by the address of each scrape.
      writeOnce('redis_exporter_passwords', () => {
        const nodes = [1, 2, 3, 4, 5, 6].map((node) => `redis://exporter@redis-${node}:6379`)
        return JSON.stringify(
          Object.fromEntries(nodes.map((node) => [node, read('redis_exporter_password')])),
        )
      })
      // A token that no client knows, because the settings refuse an empty list.
      writeOnce('auth_tokens', () => `unused:${hash('sha256', randomBytes(32))}:write`)
      writeOnce('state/primary', () => 'postgres-primary\n')
      writeOnce('state/databases.ini', () => databases)
      writeOnce('settings.json', () => '{}\n')
    },
    exists: () => existsSync(file('settings.json')),
    primary: () => read('state/primary') as PostgresNode,
    replica: () => (state.primary() === 'postgres-primary' ? 'postgres-replica' : 'postgres-primary'),
    setPrimary(node) {
      rewrite('state/primary', `${node}\n`)
      rewrite('state/databases.ini', node === 'postgres-primary' ? databases : swapped(databases))
    },
    pointAllAtPrimary() {
      const primary = state.primary()
      rewrite('state/databases.ini', databases.replaceAll(/host=postgres-\w+/g, `host=${primary}`))
    },
    settings: () => find('settings.json') as Partial<Record<Setting, string>>,
    set(name, value) {
      replace('settings.json', { ...state.settings(), [name]: value })
    },
    deployment: () => find('deploy.json') as Deployment | undefined,
    setDeployment: (deployment) => replace('deploy.json', deployment),
    failover: () => find('failover.json') as PostgresNode | undefined,
    setFailover: (next) => replace('failover.json', next),
    addToken(name, sha256, scope) {
      const others = read('auth_tokens')
        .split(',')
        .filter((entry) => !entry.startsWith(`${name}:`))
      rewrite('auth_tokens', [...others, `${name}:${sha256}:${scope}`].join(','))
    },
  }
  return state
}

function swapped(databases: string): string {
  return databases.replaceAll(/host=postgres-(primary|replica)/g, (_, role) =>
    role === 'primary' ? 'host=postgres-replica' : 'host=postgres-primary',
  )
}
