import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestScope, testDatabase, until } from '@reference/local-stack'
import postgres from 'postgres'
import t from 'tap'

t.test('transaction_timeout frees the locks of a client that vanished inside a statement', async (t) => {
  const { url } = await testDatabase(t)
  const other = open(t, postgres(url, { max: 1, onnotice: () => {} }))
  const isFree = async () => {
    const [row] = await other<{ free: boolean }[]>`select pg_try_advisory_xact_lock(1) as free`
    return row?.free === true
  }
  let socket: Socket | undefined
  const openSocket = async () => {
    const { port, hostname } = new URL(url)
    socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    return socket
  }
  const options = {
    max: 1,
    onnotice: () => {},
    // A limit that is set later begins only where there was none.
    connection: { transaction_timeout: '0' },
    // An option of postgres.js that its types lack.
    socket: openSocket,
  }
  const vanishing = open(t, postgres(url, options))
  const work = vanishing.begin(async (tx) => {
    // In place of the role's 10, 10 and 20 s, in milliseconds. They begin here: a busy machine takes long to begin.
    await tx`select pg_advisory_xact_lock(1), set_config('statement_timeout', '1000', true),
      set_config('idle_in_transaction_session_timeout', '1000', true), set_config('transaction_timeout', '3000', true)`
    // Bind, Execute and Sync are missing.
    socket?.write(Buffer.concat([message('P', '\0select 1\0\0\0'), message('H', '')]))
    t.notOk(await isFree(), 'the transaction has its lock')
    await new Promise(() => {})
  })
  await t.rejects(work, { code: 'CONNECTION_CLOSED' })
  await until('the lock is free', isFree)
})

function open(t: TestScope, sql: postgres.Sql): postgres.Sql {
  t.teardown(() => sql.end({ timeout: 0 }))
  return sql
}

/** A message of Postgres' protocol. */
function message(kind: string, body: string): Buffer {
  const head = Buffer.alloc(5)
  head.write(kind)
  head.writeInt32BE(4 + body.length, 1)
  return Buffer.concat([head, Buffer.from(body)])
}
