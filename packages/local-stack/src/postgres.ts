import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import postgres from 'postgres'
import { awaitFreeData } from './data-lock.ts'
import { hasCode, localStackError } from './errors.ts'
import { type GuardedServer, startGuarded } from './guard.ts'
import { type PostgresBinaries, postgresBinaries } from './postgres-binaries.ts'
import { canEnter, type ServerUser, serverFolder, serverUser } from './server-user.ts'
import { startServer } from './start-server.ts'

export interface PostgresOptions {
  /** A free port unless given. */
  port?: number
  /** `default`: the file that initdb writes, in place of infra's. */
  config?: 'infra' | 'default'
  /** Settings over those of infra's postgresql.conf, such as `{ fsync: 'off' }`; sent as `-c name=value`. */
  settings?: Record<string, string>
  /** The data is kept there and reused. Without it, the data is in a temporary folder that is deleted. */
  dataDir?: string
  /** Where temporary folders are made. */
  dir?: string
}

export interface PostgresServer {
  /** The database `reference` as its owner `reference`, not a superuser: for migrations. */
  databaseUrl: string
  /** The database `reference` as `reference_api`, which may read and write rows where `db:migrate` has granted it. */
  apiUrl: string
  /** The database `postgres` as the superuser `postgres`. */
  superuserUrl: string
  port: number
  /** Of the postmaster. */
  pid: number
  /** Settles when the server has ended. */
  exited: Promise<number>
  stop(): Promise<void>
}

/** The file that the container mounts. */
export const POSTGRES_CONFIG_FILE = join(REPOSITORY_ROOT, 'infra/postgres/postgresql.conf')

/** For temporary stacks: a crash of the machine may lose the data; nothing else changes. */
export const throwAwaySettings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }

/**
 * Starts a Postgres 18 on 127.0.0.1 with infra's postgresql.conf; it ends with this process. Its durability is that of the file
 * unless `settings` changes it. The first start takes about half a second, initdb included.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const user = serverUser()
  const binaries = await postgresBinaries(user)
  // Holds everything except a kept data folder, and is deleted at the end.
  const folder = await serverFolder(user, 'postgres', options.dir)
  try {
    const data = options.dataDir ?? join(folder, 'data')
    const passwordFile =
      options.dataDir === undefined ? join(folder, 'password') : `${options.dataDir}.password`
    if (options.dataDir !== undefined) await awaitFreeData(options.dataDir)
    await ensureDataFolder(binaries, user, data, passwordFile, options.dataDir !== undefined)
    const password = (await readFile(passwordFile, 'utf8')).trim()
    const config =
      options.config === 'default' ? join(data, 'postgresql.conf') : join(folder, 'postgresql.conf')
    if (options.config !== 'default') await copyFile(POSTGRES_CONFIG_FILE, config)
    const logFile = join(folder, 'postgres.log')
    const { server, port } = await startServer({
      name: 'Postgres',
      logFile,
      ...(options.port === undefined ? {} : { port: options.port }),
      start: (port) =>
        startGuarded({
          command: binaries.postgres,
          args: ['-D', data, ...flags({ ...localSettings(config, data, port), ...options.settings })],
          // Temporary data needs no checkpoint.
          stopSignal: options.dataDir === undefined ? 'QUIT' : 'INT',
          log: logFile,
          deleteFolder: folder,
          ...(user === undefined ? {} : { user }),
        }),
      isReady: (_port, server) => isReady(data, server),
    })
    const url = (role: string, database: string) =>
      `postgres://${role}:${password}@127.0.0.1:${port}/${database}`
    try {
      await createRoles(url('postgres', 'postgres'), password)
    } catch (error) {
      await server.stop()
      throw error
    }
    return {
      databaseUrl: url('reference', 'reference'),
      apiUrl: url('reference_api', 'reference'),
      superuserUrl: url('postgres', 'postgres'),
      port,
      pid: server.pid,
      exited: server.exited,
      stop: server.stop,
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

/** Every difference from infra's file, besides the settings of the caller. */
const localSettings = (config: string, data: string, port: number): Record<string, string> => ({
  config_file: config,
  hba_file: join(data, 'pg_hba.conf'),
  ident_file: join(data, 'pg_ident.conf'),
  port: String(port),
  listen_addresses: '127.0.0.1',
  // The path of a socket has at most 103 bytes, which the temporary folders of macOS come close to.
  unix_socket_directories: '',
})

const flags = (settings: Record<string, string>): string[] =>
  Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])

async function ensureDataFolder(
  { initdb }: PostgresBinaries,
  user: ServerUser | undefined,
  data: string,
  passwordFile: string,
  kept: boolean,
): Promise<void> {
  const made = await readFile(join(data, 'PG_VERSION'), 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  })
  if (made !== undefined) return
  // Made beside and renamed: an interrupted initdb must not look like a complete cluster later.
  const partial = `${data}.half`
  await rm(partial, { recursive: true, force: true })
  await mkdir(dirname(data), { recursive: true })
  await mkdir(partial, { mode: 0o700 })
  if (user !== undefined) await chown(partial, user.uid, user.gid)
  if (!canEnter(user, partial)) {
    await rm(partial, { recursive: true, force: true })
    throw localStackError(
      'FOLDER_UNREACHABLE',
      `${user?.name ?? 'This user'}, the user of Postgres, cannot enter ${dirname(data)}`,
    )
  }
  await writeFile(passwordFile, `${randomBytes(18).toString('base64url')}\n`, { mode: 0o600 })
  if (user !== undefined) await chown(passwordFile, user.uid, user.gid)
  // Takes 0.36 s. A cached template would save 0.33 s of it, and would need a cache to maintain.
  await run(initdb, user, [
    `--pgdata=${partial}`,
    '--username=postgres',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // The same sort order on every machine.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    '--no-instructions',
    ...(kept ? [] : ['--no-sync']),
  ])
  await rename(partial, data)
}

async function run(command: string, user: ServerUser | undefined, args: string[]): Promise<void> {
  const child = spawn(command, args, {
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve)
  })
  if (code !== 0) throw localStackError('SERVER_START_FAILED', `${command} failed (${code}):\n${output}`)
}

/** The eighth line of postmaster.pid is the state; pg_ctl waits for it too. */
async function isReady(data: string, server: GuardedServer): Promise<boolean> {
  const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
  return Number(lines[0]) === server.pid && lines[7]?.trim() === 'ready'
}

async function createRoles(superuserUrl: string, password: string): Promise<void> {
  const sql = postgres(superuserUrl, { max: 1, onnotice: () => {} })
  try {
    // Also in a data folder from before this role.
    const [api] = await sql`SELECT 1 FROM pg_roles WHERE rolname = 'reference_api'`
    if (api === undefined) await sql.unsafe(`CREATE ROLE reference_api LOGIN PASSWORD '${password}'`)
    const [owner] = await sql`SELECT 1 FROM pg_database WHERE datname = 'reference'`
    if (owner !== undefined) return
    // Only a superuser may create the extension. Later databases copy it from template1.
    for (const database of ['template1', 'postgres']) {
      const inside = postgres(superuserUrl, { max: 1, database, onnotice: () => {} })
      await inside`CREATE EXTENSION IF NOT EXISTS pg_stat_statements`.finally(() => inside.end())
    }
    const [role] = await sql`SELECT 1 FROM pg_roles WHERE rolname = 'reference'`
    if (role === undefined) await sql.unsafe(`CREATE ROLE reference LOGIN CREATEDB PASSWORD '${password}'`)
    await sql`GRANT pg_read_all_stats TO reference`
    await sql`CREATE DATABASE reference OWNER reference`
  } finally {
    await sql.end()
  }
}
