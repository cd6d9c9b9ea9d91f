import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { testCertificate } from '@reference/local-stack'
import postgres from 'postgres'
import { type Cell, type Expected, restart } from './cell.ts'
import { answers, movedName, path, withoutName, wrongBytes } from './network.ts'
import { type FaultStack, HOSTS } from './stack.ts'

/** Without the database nothing but `/health` answers, except for what is in the cache. */
const database: Expected = { fails: 'write' }
/** The server answers new connections, so that only its silence on the old ones shows the fault: 12 s, and 1.5 s for a place. */
const silent: Expected = { ...database, replyMs: 16_000, recoveryMs: 16_000 }

const cell = (fault: string, holdMs: number, cause: Cell['cause'], expected: Expected = database): Cell => ({
  system: 'Postgres',
  fault,
  holdMs,
  cause,
  expected,
})

/** `AuthenticationGSS`, as a `gss` line in pg_hba.conf makes a server send it. */
const GSS = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 7])

async function becomeReadOnly({ sql }: FaultStack) {
  await sql`alter system set default_transaction_read_only = on`
  await sql`select pg_reload_conf()`
  return async () => {
    await sql`set default_transaction_read_only = off`.catch(() => {})
    await sql.unsafe('set session characteristics as transaction read write')
    await sql`alter system reset default_transaction_read_only`
    await sql`select pg_reload_conf()`
  }
}

/** Every insert fails with this code, as Postgres reports it. */
function failingInserts(code: string, tables: readonly string[]) {
  return async ({ sql }: FaultStack) => {
    await sql.unsafe(`create or replace function fault_of_matrix() returns trigger language plpgsql as
      'begin raise exception using errcode = ''${code}''; end'`)
    for (const table of tables) {
      await sql.unsafe(
        `create trigger fault_of_matrix before insert on ${table} for each statement execute function public.fault_of_matrix()`,
      )
    }
    return async () => {
      for (const table of tables) await sql.unsafe(`drop trigger fault_of_matrix on ${table}`)
    }
  }
}

async function takeAllConnections(stack: FaultStack) {
  const { pathname, password } = new URL(stack.postgresServer().databaseUrl)
  const taken: postgres.Sql[] = []
  await stack.sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'reference'`
  for (let n = 0; n < 100; n++) {
    const client = postgres({
      host: '127.0.0.1',
      port: stack.postgresServer().port,
      user: 'reference',
      password,
      database: pathname.slice(1),
      max: 1,
      onnotice: () => {},
    })
    taken.push(client)
    try {
      await client`select 1`
    } catch {
      // End the connections that the services open meanwhile, until all places are taken.
      await stack.sql`select pg_terminate_backend(pid) from pg_stat_activity
        where usename = 'reference' and application_name not in ('', 'postgres.js')`
    }
  }
  return () => Promise.all(taken.map((each) => each.end({ timeout: 0 })))
}

async function terminateStorm({ sql }: FaultStack) {
  let isOver = false
  const storm = (async () => {
    while (!isOver) {
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'reference'`
      await delay(100)
    }
  })()
  return async () => {
    isOver = true
    await storm
  }
}

/** Every process of the server stands still, as on a host that swaps. */
async function stopServer(stack: FaultStack) {
  const rows = await stack.sql<
    { pid: number }[]
  >`select pid from pg_stat_activity where pid <> pg_backend_pid()`
  const pids = [stack.postgresServer().pid, ...rows.map(({ pid }) => pid)]
  const signal = (name: NodeJS.Signals) => {
    for (const pid of pids) {
      try {
        process.kill(pid, name)
      } catch {
        // It has ended meanwhile.
      }
    }
  }
  signal('SIGSTOP')
  return () => signal('SIGCONT')
}

async function lockTable({ sql }: FaultStack) {
  const { promise, resolve } = Promise.withResolvers<void>()
  const locked = Promise.withResolvers<void>()
  const held = sql.begin(async (tx) => {
    await tx`lock table orders in access exclusive mode`
    locked.resolve()
    await promise
  })
  await locked.promise
  return async () => {
    resolve()
    await held
  }
}

async function present({ sql }: FaultStack, name: 'server' | 'expired'): Promise<void> {
  const [row] = await sql`select current_setting('data_directory') as folder`
  for (const kind of ['crt', 'key']) {
    const text = readFileSync(testCertificate(`${name}.${kind}`)).toString('base64')
    // Written by the server, so that the file belongs to its user alone.
    await sql.unsafe(
      `copy (select '${text}') to program $$umask 077; base64 -d > '${row?.folder}/tls.${kind}'$$`,
    )
  }
  await sql`alter system set ssl_cert_file = 'tls.crt'`
  await sql`alter system set ssl_key_file = 'tls.key'`
  await sql`alter system set ssl = on`
  await sql`select pg_reload_conf()`
}

/** The API verifies the certificate of Postgres, which expires. */
async function expireCertificate(stack: FaultStack) {
  await present(stack, 'server')
  const search = `?sslmode=verify-ca&sslrootcert=${testCertificate('authority.crt')}`
  const DATABASE_URL = Object.assign(new URL(stack.databaseUrl), { search }).href
  await stack.api.kill()
  await stack.api.start({ environment: { DATABASE_URL } })
  await present(stack, 'expired')
  await stack.sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'reference'`
  return () => present(stack, 'server')
}

const WRITTEN = ['orders', 'idempotency_keys', 'pgboss.job']

export const postgresCells: readonly Cell[] = [
  cell('latency of 200 ms', 3_000, path('postgres', { kind: 'latency', ms: 200 }), {}),
  cell('jitter of up to 400 ms', 3_000, path('postgres', { kind: 'latency', ms: 5, jitterMs: 400 }), {}),
  { ...cell('black hole', 8_000, path('postgres', { kind: 'black hole' })), isShort: true },
  cell('half-open', 15_000, path('postgres', { kind: 'half-open' }), silent),
  cell('requests arrive, answers do not', 8_000, path('postgres', { kind: 'deaf' })),
  cell('reset', 3_000, path('postgres', { kind: 'reset' })),
  cell('closed at once, also new connections', 3_000, path('postgres', { kind: 'slam' })),
  cell('refused', 3_000, path('postgres', { kind: 'refused' })),
  cell('one byte a second', 15_000, path('postgres', { kind: 'trickle', bytesPerSecond: 1 }), silent),
  cell('cut in mid-reply', 3_000, path('postgres', { kind: 'cut', afterBytes: 30 })),
  // A wrong byte in a length makes the rest of an answer wait: silence on that connection.
  cell('every 5th byte is wrong', 4_000, path('postgres', wrongBytes(5)), silent),
  { ...cell('a login by GSSAPI', 3_000, answers('postgres', GSS)), isShort: true },
  cell('random bytes', 3_000, answers('postgres', Buffer.from('c0ffee00ff123456789abcdef0', 'hex'))),
  cell('the name is gone', 3_000, withoutName('postgres', 'db.fault.test', HOSTS)),
  cell('the name moves to another address', 3_000, movedName('postgres', 'db.fault.test', HOSTS)),
  cell('refused writes (read-only)', 3_000, becomeReadOnly),
  cell('disk full (53100, as Postgres reports it)', 3_000, failingInserts('53100', WRITTEN)),
  cell('input/output error (58030, as Postgres reports it)', 3_000, failingInserts('58030', WRITTEN)),
  cell('max_connections reached', 4_000, takeAllConnections),
  cell('pg_terminate_backend, ten times a second', 4_000, terminateStorm),
  cell('stands still (SIGSTOP)', 6_000, stopServer),
  cell('crash and recovery', 2_000, async (stack) => {
    await stack.crashPostgres()
    return () => {}
  }),
  {
    // The API starts again with TLS at the beginning.
    ...cell('the TLS certificate has expired', 4_000, expireCertificate, { ...database, stops: true }),
    async restore({ sql, api }) {
      await sql`alter system set ssl = off`
      await sql`select pg_reload_conf()`
      await restart(api)
    },
  },
  cell('the table of orders is locked', 12_000, lockTable, { ...database, replyMs: 16_000 }),
]
