import t from 'tap'
import { createReport } from './report.ts'

const reportOf = (tap: string, { files = ['a.test.ts'], exitCode = 0 } = {}) => {
  const printed: string[] = []
  const report = createReport((line) => printed.push(line), files)
  for (const line of tap.split('\n')) report.line(line)
  report.end(exitCode)
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
# { total: 4, pass: 2, todo: 1, skip: 1 }
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
# { total: 3, pass: 2, fail: 1 }
`)
  t.same(total, { passed: 1, failed: 1, skipped: 0 })
  t.match(text, /^FAIL a\.test\.ts {2}1 passed, 1 failed/)
  t.match(text, 'not ok 2 - should be equal')
  t.match(text, 'this is not a result')
  t.notMatch(text, 'good so far')
})

t.test('a file that crashes without naming a test is one failed test', async (t) => {
  const { total } = reportOf(
    `# Subtest: a.test.ts
    1..0 # no tests found
not ok 1 - a.test.ts # time=380ms
  ---
  exitCode: 1
  ...
# Subtest: b.test.ts
    ok 1 - fine
    1..1
ok 2 - b.test.ts # time=1ms
# { total: 2, pass: 1, fail: 1 }
`,
    { files: ['a.test.ts', 'b.test.ts'] },
  )
  t.same(total, { passed: 1, failed: 1, skipped: 0 })
})

t.test('a block without its closing line ends at a smaller indent', async (t) => {
  const { total, text } = reportOf(`# Subtest: a.test.ts
    # Subtest: first
        not ok 1 - should be equal
          ---
          diff: |
            --- expected
        # test count(1) != plan(null)
    not ok 1 - first # time=5.3ms
    # Subtest: second
        not ok 1 - should be equal
        1..1
    not ok 2 - second # time=5.3ms
    1..2
not ok 1 - a.test.ts # time=32.3ms
# { total: 2, fail: 2 }
`)
  t.same(total, { passed: 0, failed: 2, skipped: 0 })
  t.match(text, '--- expected')
})

const passed = (name: string) => `# Subtest: ${name}
    ok 1 - fine
    1..1
ok 1 - ${name} # time=1ms
`

t.test('a count of tap that differs, and a file of which nothing was read, are failures', async (t) => {
  const other = reportOf(`${passed('a.test.ts')}# { total: 2, pass: 1, fail: 1 }\n`)
  t.same(other.total, { passed: 1, failed: 1, skipped: 0 })
  t.match(other.text, 'its results are 2, 1 of them failed; read here were 1, 0 of them failed')
  const cut = reportOf(passed('a.test.ts'))
  t.same(cut.total, { passed: 1, failed: 1, skipped: 0 })
  const missing = reportOf(`${passed('a.test.ts')}# { total: 1, pass: 1 }\n`, {
    files: ['a.test.ts', 'b.test.ts'],
  })
  t.same(missing.total, { passed: 1, failed: 1, skipped: 0 })
  t.match(missing.text, 'FAIL b.test.ts  reported nothing')
})

t.test('an exit code of tap that no test explains is a failure', async (t) => {
  const { total, text } = reportOf(`${passed('a.test.ts')}# { total: 1, pass: 1 }\n`, { exitCode: 3 })
  t.same(total, { passed: 1, failed: 1, skipped: 0 })
  t.match(text, 'FAIL tap  ended with exit code 3')
})
