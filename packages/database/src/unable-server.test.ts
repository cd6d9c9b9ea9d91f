import { sql } from 'drizzle-orm'
import t from 'tap'
import { statement } from './index.ts'
import { open } from './testing/open.ts'

// Every code is raised in a real Postgres, for a single statement, a transaction, and a statement that can be cancelled.

const raise = statement<{ code: string }, object>(
  'test_raise',
  () => sql`select test_raise(${sql.placeholder('code')}::text)::text`,
)

const UNAVAILABLE = 'DB_UNAVAILABLE'
/** The code of the error that callers get; undefined: the server's own error, which is answered with 500. */
const CODES: Readonly<Record<string, string | undefined>> = {
  // Class 08: the connection.
  ...each(['08000', '08003', '08006', '08001', '08004', '08007', '08P01'], UNAVAILABLE),
  // Class 25: the server became read-only; limits of transactions.
  ...each(['25006', '25P03', '25P04'], UNAVAILABLE),
  ...each(['25001', '25P01', '25P02'], undefined),
  // Class 28, 3D: no session.
  ...each(['28000', '28P01', '3D000'], UNAVAILABLE),
  // Class 40: what is not a conflict that is repeated.
  ...each(['40000', '40003'], UNAVAILABLE),
  '40002': undefined,
  // Class 53: disk, memory, connections and other limits.
  ...each(['53000', '53100', '53200', '53300', '53400'], UNAVAILABLE),
  // Class 54: the statement exceeds a limit, always.
  ...each(['54000', '54001', '54011', '54023'], undefined),
  // Class 55: states of objects.
  '55P03': 'DB_LOCK_TIMEOUT',
  ...each(['55000', '55006', '55P02', '55P04'], undefined),
  // Class 57: an operator.
  '57014': 'DB_STATEMENT_TIMEOUT',
  ...each(['57000', '57P01', '57P02', '57P03', '57P04', '57P05'], UNAVAILABLE),
  // Class 58: input and output of the server.
  ...each(['58000', '58030', '58P01', '58P02'], UNAVAILABLE),
  // Class 72, F0: a lost snapshot; the configuration.
  ...each(['72000', 'F0000', 'F0001'], UNAVAILABLE),
  // Class XX: faults of the server that the same request meets again.
  ...each(['XX000', 'XX001', 'XX002'], undefined),
  P0001: undefined,
}

/** A code of each kind of answer. The other codes are raised by a single statement. */
const IN_EACH_WAY = ['25006', '53100', '55P03', '57014', '57P01', '58030', 'XX000']

function each(codes: readonly string[], expected: string | undefined) {
  return Object.fromEntries(codes.map((code) => [code, expected]))
}

t.test('each SQLSTATE that means "not now" is a 503 with retry-after, every other one is not', async (t) => {
  const { database } = await open(t)
  const { primary, cancellable } = database
  await primary.sql`create function test_raise(code text) returns void language plpgsql as
    'begin raise exception using errcode = code, message = ''raised by a test''; end'`
  const ways: Record<string, (code: string) => Promise<unknown>> = {
    statement: (code) => primary.run(raise, { code }),
    transaction: (code) => primary.transaction((tx) => tx.run(raise, { code })),
    drizzle: (code) => primary.transaction((tx) => tx.drizzle.execute(sql`select test_raise(${code})`)),
    cancellable: (code) => cancellable.run(raise, { code }),
  }
  for (const [code, expected] of Object.entries(CODES)) {
    for (const [way, call] of Object.entries(ways)) {
      if (way !== 'statement' && !IN_EACH_WAY.includes(code)) continue
      const error = await call(code).then(
        () => ({ code: 'NONE' }),
        (thrown: unknown) => thrown,
      )
      if (expected === undefined) t.notMatch(error, { statusCode: 503 }, `${code}, ${way}`)
      else t.match(error, { code: expected, statusCode: 503, retryAfterSeconds: 1 }, `${code}, ${way}`)
    }
  }
  await primary.ping()
})
