import { CommandError, UsageError } from '@reference/cli'
import { Redis } from 'ioredis'
import { createConnection, type RowDataPacket } from 'mysql2/promise' // part:mysql
import postgres from 'postgres'
import type { Engine } from './rules.ts'

/** A setting as the server reports it. */
export interface Actual {
  readonly value: string
  /** Of a number without one. */
  readonly unit?: string
  /** What a change needs; undefined: nothing, or unknown. */
  readonly needs?: string
}

/** A server, without its login. */
export interface Server {
  readonly engine: Engine
  readonly address: string
  readonly version: string
  readonly settings: ReadonlyMap<string, Actual>
  /** Of its machine in bytes, where it reports it. */
  readonly memoryBytes?: number
}

/** Where a server is, and how to ask it. */
export interface Target {
  readonly engine: Engine
  readonly address: string
  readonly isLocal: boolean
  /** Sends read-only commands. */
  read(names: readonly string[]): Promise<Server>
}

const CONNECT_TIMEOUT_MS = 10_000
const SCHEMES: Readonly<Record<string, Engine>> = {
  'postgres:': 'postgres',
  'postgresql:': 'postgres',
  'redis:': 'redis',
  'rediss:': 'redis',
  'mysql:': 'mysql', // part:mysql
}
const LOCAL = /^(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?|)$/

/** @throws UsageError without the text of the URL, which may hold a password */
export function targetOf(text: string): Target {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const engine = url && SCHEMES[url.protocol]
  if (url === undefined || engine === undefined)
    throw new UsageError(`The server is a URL that begins with one of ${Object.keys(SCHEMES).join(', ')}`)
  const address = `${url.protocol}//${url.host || 'localhost'}${url.pathname === '/' ? '' : url.pathname}`
  const ask = READERS[engine]
  return {
    engine,
    address,
    isLocal: LOCAL.test(url.hostname),
    async read(names) {
      try {
        return { engine, address, ...(await ask(text, names)) }
      } catch (error) {
        throw new CommandError(`${address} could not be read: ${reasonOf(error, url)}`)
      }
    },
  }
}

/** A driver may put what it was given into a message. */
function reasonOf(error: unknown, { password }: URL): string {
  const { code, message = '' } = error as { code?: string; message?: string }
  const text = message || code || 'no answer'
  const secrets = [password, URL.canParse(`x://${password}`) ? decodeURIComponent(password) : '']
  return secrets.filter((secret) => secret !== '').reduce((all, secret) => all.replaceAll(secret, '…'), text)
}

type Reader = (url: string, names: readonly string[]) => Promise<Omit<Server, 'engine' | 'address'>>

const READERS: Readonly<Record<Engine, Reader>> = {
  postgres: readPostgres,
  redis: readRedis,
  mysql: readMysql, // part:mysql
}

const CONTEXTS: Readonly<Record<string, string>> = { postmaster: 'restart', internal: 'another build' }

async function readPostgres(url: string, names: readonly string[]) {
  const sql = postgres(url, {
    max: 1,
    prepare: false,
    fetch_types: false,
    connect_timeout: CONNECT_TIMEOUT_MS / 1_000,
    onnotice: () => {},
  })
  try {
    return await sql.begin('read only', async (tx) => {
      const [server] = await tx<{ version: string }[]>`select current_setting('server_version') as version`
      const rows = await tx<{ name: string; value: string; unit: string | null; context: string }[]>`
        select name, current_setting(name) as value, unit, context from pg_settings
        where name in (select jsonb_array_elements_text(${JSON.stringify(names)}::text::jsonb))`
      const settings = new Map(
        rows.map(({ name, value, unit, context }): [string, Actual] => {
          const needs = CONTEXTS[context]
          return [name, { value, ...(unit !== null && { unit }), ...(needs !== undefined && { needs }) }]
        }),
      )
      return { version: `PostgreSQL ${server?.version}`, settings }
    })
  } finally {
    await sql.end({ timeout: 1 })
  }
}

async function readRedis(url: string, names: readonly string[]) {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: null,
    maxRetriesPerRequest: 0,
  })
  let failure: Error | undefined
  redis.on('error', (error: Error) => {
    failure = error
  })
  try {
    await redis.connect().catch((error: Error) => {
      throw failure ?? error
    })
    const info = await redis.info()
    const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]
    const settings = new Map<string, Actual>()
    for (const name of names) {
      const [setting = '', kind] = name.split(' ')
      // A managed Redis refuses CONFIG; INFO has some of it.
      const reply = await redis.config('GET', setting).catch(() => [])
      const value = Array.isArray(reply) ? reply[1] : undefined
      const known = value === undefined ? field(setting.replaceAll('-', '_')) : String(value)
      if (known !== undefined)
        settings.set(name, { value: kind === undefined ? known : limitOf(known, kind) })
    }
    const memoryBytes = Number(field('total_system_memory'))
    return {
      version: field('valkey_version')
        ? `Valkey ${field('valkey_version')}`
        : `Redis ${field('redis_version')}`,
      settings,
      ...(memoryBytes > 0 && { memoryBytes }),
    }
  } finally {
    redis.disconnect()
  }
}

/** One class of `client-output-buffer-limit`; older servers report `replica` as `slave`. */
function limitOf(value: string, kind: string): string {
  const words = value.split(' ')
  const at = words.findIndex((word) => word === kind || (kind === 'replica' && word === 'slave'))
  return words.slice(at + 1, at + 4).join(' ')
}

// part:mysql
async function readMysql(url: string, names: readonly string[]) {
  const connection = await createConnection({ uri: url, connectTimeout: CONNECT_TIMEOUT_MS })
  try {
    await connection.query('start transaction read only')
    const [rows] = await connection.query<RowDataPacket[]>('show global variables')
    const all = new Map(rows.map(({ Variable_name: name, Value: value }) => [String(name), String(value)]))
    const settings = new Map(
      names.flatMap((name): [string, Actual][] => {
        const value = all.get(name)
        return value === undefined ? [] : [[name, { value }]]
      }),
    )
    return { version: `MySQL ${all.get('version')}`, settings }
  } finally {
    connection.destroy()
  }
}
// end:mysql
