import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const runTapFile = fileURLToPath(new URL('testing/run-tap.ts', import.meta.url))

/** Runs test files with tap itself, each given by its lines below the import of tap. */
async function runFiles(
  t: Test,
  files: Readonly<Record<string, string>>,
  { timeoutSeconds = 60 }: { readonly timeoutSeconds?: number } = {},
) {
  const sources = Object.entries(files).map(([name, lines]) => [
    `${name}.test.js`,
    `import t from 'tap'\n${lines}`,
  ])
  const folder = t.testdir({
    'package.json': '{"type":"module"}',
    '.taprc': 'type-strip-only: true\n',
    ...Object.fromEntries(sources),
  })
  // Remove tap's variables, or the outer tap would treat the inner one as its child.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(_?TAP|NODE_OPTIONS)/.test(name)),
  )
  const child = spawn(
    process.execPath,
    [runTapFile, folder, `${timeoutSeconds}`, ...sources.map(([name]) => `${name}`)],
    {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const output = Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = await once(child, 'close')
  const [stdout, stderr] = await output
  const counts = /^(\d+) passed, (\d+) failed$/.exec(stdout.trimEnd().split('\n').at(-1) ?? '')
  if (counts === null) throw new Error(`No closing line:\n${stdout}\n${stderr}`)
  /** The line of a file, such as `FAIL 1 passed, 1 failed`. */
  const of = (name: string) =>
    new RegExp(`^(ok|FAIL) +${name}\\.test\\.js +(.*?)(?: {2}[\\d.]+m?s)?$`, 'm')
      .exec(stdout)
      ?.slice(1)
      .join(' ')
  return { code, stdout, passed: Number(counts[1]), failed: Number(counts[2]), of }
}

t.test('characters that some programs treat as line ends lose no failure', async (t) => {
  const run = await runFiles(t, {
    compared: `t.test('first', async (t) => { t.equal('a\\u2028</script>', 'b\\u2028</script>') })
t.test('second', async (t) => { t.equal(1, 2) })`,
    name: `t.test('a\\u2028b', async (t) => { t.equal(1, 2) })
t.test('c', async (t) => { t.equal(1, 1) })`,
    message: `t.test('x', async (t) => { t.equal(1, 2, 'a\\u2029b') })`,
    controls: `t.test('x', async (t) => { t.equal('a\\u0085\\v\\f\\rb', 'c\\u0085\\v\\f\\rd') })
t.test('y', async (t) => { t.equal(1, 2) })`,
    'like-results': `t.test('x', async (t) => {
  t.equal('a\\u2028ok 1 - like-results.test.js', 'b\\u2028...\\u2028ok 1 - like-results.test.js # time=1ms\\nok 2 - y')
})
t.test('y', async (t) => { t.equal(1, 2) })`,
    printed: `t.test('x', async (t) => { console.log('50 %\\r100 %\\u2028'); t.equal(1, 1) })
t.test('y', async (t) => { t.equal(1, 2) })`,
  })
  t.equal(run.of('compared'), 'FAIL 0 passed, 2 failed')
  t.equal(run.of('name'), 'FAIL 1 passed, 1 failed')
  t.equal(run.of('message'), 'FAIL 0 passed, 1 failed')
  t.equal(run.of('controls'), 'FAIL 0 passed, 2 failed')
  t.equal(run.of('like-results'), 'FAIL 0 passed, 2 failed')
  t.equal(run.of('printed'), 'FAIL 1 passed, 1 failed')
  t.match(run, { code: 1, passed: 2, failed: 9 })
  t.match(run.stdout, '-b\\u2028</script>', 'compared values are shown escaped')
  t.notMatch(run.stdout, /[\r\v\f\u0085\u2028\u2029]/)
})

t.test('a file that does not end with its plan is a failure, whatever its exit code', async (t) => {
  const run = await runFiles(t, {
    throws: `throw new Error('a\\u2028b')`,
    killed: `t.test('x', async () => {})
t.test('y', async () => { process.kill(process.pid, 'SIGKILL'); await new Promise(() => {}) })`,
    exits: `t.test('x', async (t) => { t.pass() })
t.test('y', async () => { process.exit(0) })
t.test('z', async (t) => { t.fail() })`,
    code: `t.test('x', async (t) => { t.pass() })
process.on('exit', () => { process.exitCode = 3 })`,
    plan: `t.test('x', async (t) => { t.plan(2); t.pass() })`,
    garbage: `t.test('x', async (t) => { process.stdout.write('no line feed'); t.pass() })
t.test('y', async (t) => { process.stdout.write('ok 1 - fake\\nno line feed'); t.pass() })`,
    'early-plan': `process.stdout.write('1..0 # skip\\n')
t.test('x', async (t) => { t.fail() })`,
    empty: '',
  })
  for (const name of ['throws', 'killed', 'exits', 'code', 'plan', 'garbage', 'early-plan', 'empty']) {
    t.match(run.of(name), /^FAIL .*\b1 failed$/, name)
  }
  t.match(run, { code: 1, failed: 8 })
})

t.test('files that did not run after one that hangs or bails out are named', async (t) => {
  const passes = `t.test('x', async (t) => { t.pass() })`
  for (const [name, lines] of [
    ['a-hangs', `t.test('x', async () => { await new Promise(() => setInterval(() => {}, 1000)) })`],
    ['a-bails-out', `t.test('x', async (t) => { t.bailout('stop') })`],
  ] as const) {
    const run = await runFiles(t, { [name]: lines, b: passes, c: passes, d: passes }, { timeoutSeconds: 3 })
    t.equal(run.code, 1)
    t.match(run.of(name), /^FAIL/)
    // Files that ran beside it may have ended before.
    const named = ['b', 'c', 'd'].filter((file) => run.of(file) !== undefined)
    t.same(named, ['b', 'c', 'd'], name)
    t.ok(run.failed >= 1 + ['b', 'c', 'd'].filter((file) => run.of(file)?.startsWith('FAIL')).length)
  }
})

t.test('a run in which no test ran is a failure', async (t) => {
  const run = await runFiles(t, { skipped: `t.test('x', { skip: 'not here' }, async () => {})` })
  t.match(run, { code: 1, passed: 0, failed: 1 })
  t.match(run.stdout, /^FAIL tap {2}ran no test$/m)
})

t.test('skipped tests are listed with their reason, and do not fail a run', async (t) => {
  const run = await runFiles(t, {
    some: `t.test('x # 1', { skip: 'no Docker engine' }, async () => {})
t.test('y', { todo: true }, async () => {})
t.test('z', async (t) => { t.pass(); t.test('inner', { skip: 'no Linux' }, async () => {}) })`,
    all: `t.plan(0, 'not on this platform')`,
  })
  t.match(run, { code: 0, passed: 1, failed: 0 })
  t.equal(run.of('some'), 'ok 1 passed, 2 skipped')
  t.match(run.stdout, '3 skipped or to do')
  for (const line of [
    'some.test.js › x # 1: no Docker engine',
    'some.test.js › y: todo',
    'some.test.js › inner: no Linux',
    'all.test.js › all of it: not on this platform',
  ]) {
    t.match(run.stdout, `  ${line}\n`)
  }
})
