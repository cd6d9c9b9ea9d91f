import t from 'tap'
import { runCommand, SettingsError, sentenceOf, UsageError } from './run.ts'

async function outcome(t: Tap, main: () => Promise<number>) {
  const written = t.capture(process.stderr, 'write', () => true)
  await runCommand('the help\n', main)
  const code = process.exitCode
  process.exitCode = 0
  return {
    code,
    stderr: written()
      .map(({ args }) => args[0])
      .join(''),
  }
}
type Tap = Pick<typeof t, 'capture'>

const failing = (error: Error) => async () => {
  throw error
}

t.test('what fails is a sentence and an exit code', async (t) => {
  const parse = Object.assign(new TypeError("Unknown option '--x'"), {
    code: 'ERR_PARSE_ARGS_UNKNOWN_OPTION',
  })
  t.same(await outcome(t, async () => 3), { code: 3, stderr: '' })
  t.same(await outcome(t, failing(new UsageError('no'))), { code: 64, stderr: 'no\n\nthe help\n' })
  t.same(await outcome(t, failing(parse)), { code: 64, stderr: "Unknown option '--x'\n\nthe help\n" })
  t.same(await outcome(t, failing(new SettingsError('X must be set'))), {
    code: 78,
    stderr: 'X must be set\n',
  })
  t.same(await outcome(t, failing(new Error('away'))), { code: 1, stderr: 'away\n' })
})

t.test('an error says what it is about', async (t) => {
  const refused = Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' })
  t.equal(sentenceOf(refused), 'ECONNREFUSED')
  t.equal(sentenceOf(new Error('Not seeded.', { cause: refused })), 'Not seeded: ECONNREFUSED')
  t.equal(sentenceOf('text'), 'text')
})
