import t from 'tap'
import { action, type Command } from './command.ts'
import { CommandError, describeError, SettingsError, UsageError } from './errors.ts'
import { EXIT_CODES } from './exit-codes.ts'
import { flag, integer, oneOf, port, text, texts } from './options.ts'
import { runCommand } from './run-command.ts'

interface Outcome {
  code: unknown
  stdout: string
  stderr: string
}

async function outcomeOf(test: Tap, command: Command, ...argv: string[]): Promise<Outcome> {
  const written = (stream: NodeJS.WriteStream) => {
    const results = test.capture(stream, 'write', () => true)
    return () =>
      results()
        .map(({ args }) => args[0])
        .join('')
  }
  const [stdout, stderr] = [written(process.stdout), written(process.stderr)]
  await runCommand('pnpm try', command, argv)
  const code = process.exitCode
  process.exitCode = 0
  return { code, stdout: stdout(), stderr: stderr() }
}
type Tap = Pick<typeof t, 'capture'>

function failing(error: Error): Command {
  return action({
    summary: 'Fail.',
    run: () => {
      throw error
    },
  })
}

t.test('a failure is one sentence and an exit code', async (t) => {
  const cases = [
    [new Error('refused'), 1, /^refused\n$/],
    [new Error('Not seeded.', { cause: new Error('refused') }), 1, /^Not seeded: refused\n$/],
    [new TypeError('fetch failed', { cause: new Error('refused') }), 1, /^fetch failed: refused\n$/],
    [new CommandError('no engine', { exitCode: EXIT_CODES.UNAVAILABLE }), 69, /^no engine\n$/],
    [new SettingsError('X must be set'), 78, /^X must be set\n$/],
    [
      Object.assign(new Error('PORT: not a number'), { code: 'CONFIG_INVALID' }),
      78,
      /^PORT: not a number\n$/,
    ],
    [new UsageError('no'), 64, /^no\n\npnpm try \[options\]\n/],
    [new TypeError('x is not a function'), 70, /^TypeError: x is not a function\n {4}at /],
  ] as const
  for (const [error, code, stderr] of cases) {
    t.match(await outcomeOf(t, failing(error)), { code, stdout: '', stderr }, error.message)
  }
})

const list = action({
  summary: 'List rows.',
  positionals: { placeholder: 'TABLE…', help: 'tables', minimum: 1, maximum: 2 },
  options: {
    json: flag({ help: 'for programs' }),
    limit: integer({ help: 'rows', minimum: 1, maximum: 100, fallback: 20 }),
    by: oneOf(['name', 'size'], { help: 'order', fallback: 'name' }),
    port: port({ help: 'of the server' }),
    out: text({ help: 'a file', placeholder: 'FILE' }),
    off: texts({ help: 'switches', short: 'o' }),
  },
  details: 'Needs a server.',
  run(values, positionals) {
    process.stdout.write(JSON.stringify({ ...values, positionals }))
    return 3
  },
})

t.test('options become values of their types, with defaults for the rest', async (t) => {
  const plain = await outcomeOf(t, list, 'users')
  t.equal(plain.code, 3)
  t.same(JSON.parse(plain.stdout), { json: false, limit: 20, by: 'name', off: [], positionals: ['users'] })

  const argv = [
    '--json',
    '--',
    'users',
    '--limit=5',
    '--by',
    'size',
    '--port',
    '80',
    '-o',
    'A',
    '--off',
    'B',
    'orders',
  ]
  const { stdout } = await outcomeOf(t, list, ...argv)
  t.same(JSON.parse(stdout), {
    json: true,
    limit: 5,
    by: 'size',
    port: 80,
    off: ['A', 'B'],
    positionals: ['users', 'orders'],
  })
})

t.test('wrong arguments name what is wrong, and exit with 64', async (t) => {
  const cases: [argv: string[], stderr: RegExp][] = [
    [[], /^An argument is missing: TABLE…/],
    [['a', 'b', 'c'], /^Unexpected argument 'c'/],
    [['a', '--limit', '0'], /^--limit takes a whole number from 1 to 100, got '0'/],
    [['a', '--limit', '1e1'], /^--limit takes a whole number/],
    [['a', '--limit', ''], /^--limit takes a whole number/],
    [['a', '--by', 'age'], /^--by is one of name, size, got 'age'/],
    [['a', '--port', '65536'], /^--port takes a whole number from 1 to 65535/],
    [['a', '--colour'], /--colour/],
    [['a', '--json=yes'], /--json/],
  ]
  for (const [argv, stderr] of cases) {
    t.match(await outcomeOf(t, list, ...argv), { code: 64, stdout: '', stderr }, argv.join(' '))
  }
})

t.test('the help text lists arguments and options with their defaults', async (t) => {
  const { code, stdout } = await outcomeOf(t, list, '--help')
  t.equal(code, 0)
  t.equal(
    stdout,
    `pnpm try TABLE… [options]

List rows.

  TABLE…  tables

  --json          for programs
  --limit N       rows (20)
  --by name|size  order (name)
  --port PORT     of the server
  --out FILE      a file
  -o, --off TEXT  switches
  -h, --help      print this text

Needs a server.
`,
  )
})

t.test('a group runs its commands, and loads one only when it is called', async (t) => {
  let loads = 0
  const group: Command = {
    summary: 'Look after tables.',
    commands: {
      list,
      deep: {
        summary: 'More.',
        async load() {
          loads++
          return { summary: 'More.', commands: { run: failing(new Error('deep failure')) } }
        },
      },
    },
  }
  t.match(await outcomeOf(t, group, 'list', 'users'), { code: 3 })
  t.match(await outcomeOf(t, group, 'list', '--help'), {
    code: 0,
    stdout: /^pnpm try list TABLE… \[options\]/,
  })
  t.match(await outcomeOf(t, group), { code: 64, stderr: /^A command is missing: list, deep\n/ })
  t.match(await outcomeOf(t, group, 'toString'), { code: 64, stderr: /^There is no command 'toString'/ })
  const help = await outcomeOf(t, group, '--help')
  t.match(help, {
    code: 0,
    stdout: /^pnpm try <command> \[options\]\n\nLook after tables\.\n\n {2}list TABLE… {2}List rows\.\n/,
  })
  t.equal(loads, 0)
  t.match(await outcomeOf(t, group, 'deep', 'run'), { code: 1, stderr: 'deep failure\n' })
  t.equal(loads, 1)
})

t.test('an error without a message is described by its code', async (t) => {
  const refused = Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' })
  t.equal(describeError(refused), 'ECONNREFUSED')
  t.equal(describeError('text'), 'text')
})
