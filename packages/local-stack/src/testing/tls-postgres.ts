import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { startPostgres, throwAwaySettings } from '../postgres.ts'
import { testCertificate } from './certificate.ts'
import type { TestScope } from './databases-and-redis.ts'

export interface TlsPostgres {
  readonly port: number
  readonly password: string
  /** The folder of its Unix socket. */
  readonly socketFolder: string
  readonly superuserUrl: string
  /** Makes the server use this certificate. */
  present(name: 'server' | 'elsewhere' | 'expired'): Promise<void>
  /** Replaces the login rules (pg_hba.conf). */
  admit(rules: readonly string[]): Promise<void>
  run(statement: string): Promise<postgres.Row[]>
}

/** The rules that initdb writes. */
export const usualRules = [
  'local all all scram-sha-256',
  'host all all 127.0.0.1/32 scram-sha-256',
  'host all all ::1/128 scram-sha-256',
]

/** A Postgres with TLS, whose certificate and rules are changed while it runs. */
export async function startTlsPostgres(t: TestScope, addresses = '127.0.0.1'): Promise<TlsPostgres> {
  const socketFolder = mkdtempSync(join(tmpdir(), 'pg-'))
  // The server may run as another user.
  chmodSync(socketFolder, 0o777)
  t.teardown(() => rmSync(socketFolder, { recursive: true, force: true }))
  const server = await startPostgres({
    settings: { ...throwAwaySettings, unix_socket_directories: socketFolder, listen_addresses: addresses },
  })
  t.teardown(() => server.stop())
  const { pathname, password } = new URL(server.superuserUrl)
  const admin = postgres({
    host: socketFolder,
    port: server.port,
    user: 'postgres',
    password,
    database: pathname.slice(1),
    max: 1,
    onnotice: () => {},
  })
  t.teardown(() => admin.end())
  const [folders] =
    await admin`select current_setting('data_directory') as data, current_setting('hba_file') as rules`

  // Written by the server, so that the file belongs to its user alone.
  async function write(path: string, text: string): Promise<void> {
    await admin.unsafe(
      `copy (select '${Buffer.from(text).toString('base64')}') to program $$umask 077; base64 -d > '${path}'$$`,
    )
  }

  async function reload(): Promise<void> {
    const [before] = await admin`select pg_conf_load_time()::text as at`
    await admin`select pg_reload_conf()`
    for (;;) {
      const [now] = await admin`select pg_conf_load_time()::text as at, pg_sleep(0.01)`
      if (now?.at !== before?.at) return
    }
  }

  async function present(name: string): Promise<void> {
    await write(`${folders?.data}/tls.crt`, readFileSync(testCertificate(`${name}.crt`), 'utf8'))
    await write(`${folders?.data}/tls.key`, readFileSync(testCertificate(`${name}.key`), 'utf8'))
    await reload()
  }

  await write(`${folders?.data}/authority.crt`, readFileSync(testCertificate('authority.crt'), 'utf8'))
  for (const [setting, value] of [
    ['ssl_cert_file', 'tls.crt'],
    ['ssl_key_file', 'tls.key'],
    ['ssl_ca_file', 'authority.crt'],
    ['ssl', 'on'],
  ] as const) {
    await admin.unsafe(`alter system set ${setting} = '${value}'`)
  }
  await present('server')
  return {
    port: server.port,
    password,
    socketFolder,
    superuserUrl: server.superuserUrl,
    present,
    async admit(rules) {
      await write(folders?.rules, `${rules.join('\n')}\n`)
      await reload()
    },
    run: (statement) => admin.unsafe(statement),
  }
}
