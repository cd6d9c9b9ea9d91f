import { hash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export type PostgresNode = 'postgres-primary' | 'postgres-replica'

/** A deploy that has started and not finished. */
export interface Deployment {
  tag: string
  /** Ids of the containers of the previous release. */
  old: string[]
  /** The new release serves requests: what remains is to remove the old containers. Otherwise the new ones are removed. */
  inService: boolean
}

/** The state of one production that is not in the repository: secrets, the name of the primary, the running release. */
export interface State {
  readonly folder: string
  /** Creates missing files; existing ones stay. */
  create(): void
  exists(): boolean
  primary(): PostgresNode
  replica(): PostgresNode
  /** PgBouncer's databases and the nodes' roles follow when they next read these files. */
  setPrimary(node: PostgresNode): void
  /** Points both databases of PgBouncer at the primary, while there is no replica. */
  pointAllAtPrimary(): void
  /** Variables of the compose file. They win over the environment of a later command. */
  settings(): Partial<Record<Setting, string>>
  set(name: Setting, value: string): void
  /** Kept so that the next command can finish a deploy that was killed. */
  deployment(): Deployment | undefined
  setDeployment(deployment: Deployment | undefined): void
  /** The node that an unfinished failover promotes. */
  failover(): PostgresNode | undefined
  setFailover(next: PostgresNode | undefined): void
  addToken(name: string, sha256: string, scope: string): void
  /** The login of the APIs: another pool of PgBouncer, for the owner of the tables, would hold connections of its own. */
  apiUser(): string
  hasBackupKey(): boolean
  /** @param recipient the public part, which encrypts */
  setBackupKey(identity: string, recipient: string): void
}

export type Setting = 'TAG' | 'REPLICAS' | 'SYNCHRONOUS_STANDBY_NAMES' | 'OBSERVABILITY' | 'TRACES'

const PASSWORDS = [
  'postgres_password',
  'replicator_password',
  'reference_password',
  'reference_api_password',
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

/** @param databases PgBouncer's file of databases before any failover */
export function openState(folder: string, databases: string): State {
  return new FolderState(folder, databases)
}

class FolderState implements State {
  readonly folder: string
  readonly #databases: string

  constructor(folder: string, databases: string) {
    this.folder = folder
    this.#databases = databases
  }

  create(): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
    chmodSync(this.folder, 0o700)
    // Containers mount this folder alone, so it may be open to other users: its parent is closed to them.
    mkdirSync(this.#path('state'), { recursive: true, mode: 0o755 })
    for (const name of PASSWORDS) this.#writeOnce(name, () => randomBytes(24).toString('base64url'))
    const login = (user: string) => `postgres://${user}:${this.#read(`${user}_password`)}@pgbouncer:6432`
    for (const [name, database] of Object.entries(URLS))
      this.#writeOnce(name, () => `${login('reference_api')}/${database}`)
    this.#writeOnce('database_owner_url', () => `${login('reference')}/${URLS.database_direct_url}`)
    this.#writeOnce('redis_exporter_passwords', () => this.#exporterPasswords())
    // A token that no client knows, because the settings refuse an empty list.
    this.#writeOnce('auth_tokens', () => `unused:${hash('sha256', randomBytes(32))}:write`)
    this.#writeOnce('state/primary', () => 'postgres-primary\n')
    this.#writeOnce('state/databases.ini', () => this.#databases)
    this.#writeOnce('settings.json', () => '{}\n')
  }

  exists(): boolean {
    return existsSync(this.#path('settings.json'))
  }

  primary(): PostgresNode {
    return this.#read('state/primary') as PostgresNode
  }

  replica(): PostgresNode {
    return this.primary() === 'postgres-primary' ? 'postgres-replica' : 'postgres-primary'
  }

  setPrimary(node: PostgresNode): void {
    this.#rewrite('state/primary', `${node}\n`)
    const isFirst = node === 'postgres-primary'
    this.#rewrite('state/databases.ini', isFirst ? this.#databases : swapped(this.#databases))
  }

  pointAllAtPrimary(): void {
    const host = `host=${this.primary()}`
    this.#rewrite('state/databases.ini', this.#databases.replaceAll(/host=postgres-\w+/g, host))
  }

  settings(): Partial<Record<Setting, string>> {
    return this.#readJson('settings.json') as Partial<Record<Setting, string>>
  }

  set(name: Setting, value: string): void {
    this.#replaceJson('settings.json', { ...this.settings(), [name]: value })
  }

  deployment(): Deployment | undefined {
    return this.#readJson('deploy.json') as Deployment | undefined
  }

  setDeployment(deployment: Deployment | undefined): void {
    this.#replaceJson('deploy.json', deployment)
  }

  failover(): PostgresNode | undefined {
    return this.#readJson('failover.json') as PostgresNode | undefined
  }

  setFailover(next: PostgresNode | undefined): void {
    this.#replaceJson('failover.json', next)
  }

  addToken(name: string, sha256: string, scope: string): void {
    const others = this.#read('auth_tokens')
      .split(',')
      .filter((entry) => !entry.startsWith(`${name}:`))
    this.#rewrite('auth_tokens', [...others, `${name}:${sha256}:${scope}`].join(','))
  }

  apiUser(): string {
    return new URL(this.#read('database_url')).username
  }

  hasBackupKey(): boolean {
    return existsSync(this.#path('backup_recipient'))
  }

  setBackupKey(identity: string, recipient: string): void {
    // The recipient last: it marks the pair as complete.
    this.#writeOnce('backup_identity', () => `${identity}\n`)
    this.#writeOnce('backup_recipient', () => `${recipient}\n`)
  }

  /** One exporter scrapes all nodes. It looks its password up by the address of the node. */
  #exporterPasswords(): string {
    const password = this.#read('redis_exporter_password')
    const nodes = [1, 2, 3, 4, 5, 6].map((node) => `redis://exporter@redis-${node}:6379`)
    return JSON.stringify(Object.fromEntries(nodes.map((node) => [node, password])))
  }

  #path(name: string): string {
    return join(this.folder, name)
  }

  #read(name: string): string {
    return readFileSync(this.#path(name), 'utf8').trim()
  }

  /** Writes in place: a container that mounts the file keeps its inode. */
  #write(name: string, content: string): void {
    writeFileSync(this.#path(name), content)
    // Users inside the containers have to read the file. The folder keeps other users of the host out.
    chmodSync(this.#path(name), 0o444)
  }

  #writeOnce(name: string, content: () => string): void {
    if (!existsSync(this.#path(name))) this.#write(name, content())
  }

  #rewrite(name: string, content: string): void {
    chmodSync(this.#path(name), 0o644)
    this.#write(name, content)
  }

  #readJson(name: string): unknown {
    return existsSync(this.#path(name)) ? JSON.parse(this.#read(name)) : undefined
  }

  /** For files that only these commands read. The rename is atomic, so that no reader sees half a file. */
  #replaceJson(name: string, content: unknown): void {
    if (content === undefined) {
      rmSync(this.#path(name), { force: true })
      return
    }
    writeFileSync(this.#path(`${name}.new`), `${JSON.stringify(content)}\n`, { mode: 0o600 })
    renameSync(this.#path(`${name}.new`), this.#path(name))
  }
}

function swapped(databases: string): string {
  return databases.replaceAll(/host=postgres-(primary|replica)/g, (_, role) =>
    role === 'primary' ? 'host=postgres-replica' : 'host=postgres-primary',
  )
}
