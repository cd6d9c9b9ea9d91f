import t from 'tap'
import { pgbenchScript } from './floor-tools.ts'

t.test('a statement of the service becomes a script of pgbench', async (t) => {
  const text = 'select "id" from "users" where "users"."id" = $1 and $2::int > 0'
  t.equal(
    pgbenchScript([{ text, values: [7, 100] }]),
    '\\set p0_1 7\n\\set p0_2 100\nselect "id" from "users" where "users"."id" = :p0_1 and :p0_2::int > 0;\n',
  )
  t.match(pgbenchScript([{ text, values: [7, 100] }], 500), /^\\set p0_1 random\(1, 500\)\n\\set p0_2 100\n/)
})

t.test(
  'colons in strings are written as escapes, because pgbench would take them for variables',
  async (t) => {
    const text = `select to_char(now(), '\\"HH24:MI:SS"Z"'), 'plain'`
    t.equal(
      pgbenchScript([{ text, values: [] }]),
      `select to_char(now(), E'\\\\"HH24\\x3AMI\\x3ASS"Z"'), 'plain';\n`,
    )
  },
)

t.test('statements of one transaction have variables of their own', async (t) => {
  const statements = [
    { text: 'select $1', values: [1] },
    { text: 'select $1', values: [2] },
  ]
  t.equal(pgbenchScript(statements), '\\set p0_1 1\nselect :p0_1;\n\\set p1_1 2\nselect :p1_1;\n')
})

t.test('a cast between two strings is no part of a string', async (t) => {
  const text = `select E'\\x1f', $1::int, 'it''s: ' where at < $2::timestamptz`
  t.equal(
    pgbenchScript([{ text, values: [5, '2026-01-01T00:00:00Z'] }]),
    `\\set p0_1 5\nselect E'\\x1f', :p0_1::int, E'it''s\\x3A ' where at < E'2026-01-01T00\\x3A00\\x3A00Z'::timestamptz;\n`,
  )
})
