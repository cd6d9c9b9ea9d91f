import t from 'tap'
import { createReport } from './report.ts'

const reportOf = (tap: string) => {
  const printed: string[] = []
  const report = createReport((line) => printed.push(line))
  for (const line of tap.split('\n')) report.line(line)
  return { total: report.total, text: printed.join('\n') }
}

t.test('a test is what stands at the top of a file; what lies within it does not count', async (t) => {
  const { total, text } = reportOf(`TAP version 14
1..1
# Subtest: a.test.ts
    # Subtest: outer
        ok 1 - should be equal
        # Subtest: inner
            ok 1 - should be equal
            1..1
        ok 2 - inner # time=2.6ms
        1..2
    ok 1 - outer # time=5.3ms
    ok 2 - later # SKIP
    ok 3 - some day # TODO
    1..3
ok 1 - a.test.ts # time=32.3ms
# No coverage generated
`)
  t.same(total, { passed: 1, failed: 0, skipped: 2 })
  t.equal(text, 'ok   a.test.ts  1 passed, 2 skipped  32.3ms')
})

t.test('of a file that fails, what failed and why is shown, and nothing else', async (t) => {
  const { total, text } = reportOf(`# Subtest: a.test.ts
    ok 1 - fine
    # Subtest: broken
        ok 1 - good so far
        not ok 2 - should be equal
          ---
          diff: |
            ok 1 - this is not a result
          ...
        1..2
    not ok 2 - broken # time=5.3ms
      ---
    ok 7 - nor is this
      ...
    1..2
not ok 1 - a.test.ts # time=32.3ms
  ---
  exitCode: 1
  ...
`)
  t.same(total, { passed: 1, failed: 1, skipped: 0 })
  t.match(text, /^FAIL a\.test\.ts {2}1 passed, 1 failed/)
  t.match(text, 'not ok 2 - should be equal')
  t.match(text, 'this is not a result')
  t.notMatch(text, 'good so far')
})

t.test('a file that crashes without naming a test is one failed test', async (t) => {
  const { total } = reportOf(`# Subtest: a.test.ts
    1..0 # no tests found
not ok 1 - a.test.ts # time=380ms
  ---
  exitCode: 1
  ...
# Subtest: b.test.ts
    ok 1 - fine
    1..1
ok 2 - b.test.ts # time=1ms
`)
  t.same(total, { passed: 1, failed: 1, skipped: 0 })
})
