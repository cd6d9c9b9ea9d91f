import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'

const main = join(import.meta.dirname, 'main.ts')

/** Runs without a Docker engine, which none of these tests may need. */
function prod(t: Test, ...args: string[]) {
  return prodWith(t, {}, ...args)
}

function prodWith(t: Test, settings: Record<string, string>, ...args: string[]) {
  const state = join(t.testdir(), 'state')
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...settings, PROD_STATE: state, DOCKER_HOST: 'tcp://127.0.0.1:9' },
  })
  return { code: status, stdout, stderr, state }
}

t.test('wrong arguments exit with 64, a message and the help text, and create nothing', async (t) => {
  for (const [line, fault] of [
    ['fly', "There is no command 'fly'"],
    ['toString', "There is no command 'toString'"],
    ['up --fast', "Unknown option '--fast'"],
    ['up now', "Unexpected argument 'now'"],
    ['up --volumes', "Unknown option '--volumes'"],
    ['down --seed', "Unknown option '--seed'"],
    ['scale', 'An argument is missing: N'],
    ['scale 0', "scale takes a whole number from 1 to 99, got '0'"],
    ['scale 3 4', "Unexpected argument '4'"],
    ['scale three', "scale takes a whole number from 1 to 99, got 'three'"],
    ['deploy v2', "Unexpected argument 'v2'"],
    ['deploy --tag', "'--tag <value>' argument missing"],
    ['deploy --tag ../v2', "'../v2' is not an image tag"],
    ['failover now', "Unexpected argument 'now'"],
    ['restore --to yesterday', "'yesterday' is not a time with an offset"],
    ['restore --to 2026-11-29T10:15:00', 'is not a time with an offset'],
    ['token alice', 'An argument is missing: NAME write|admin'],
    ['token a:b write', "'a:b' is not a name"],
    ['token alice root', "The scope is write or admin, not 'root'"],
  ] as const) {
    const { code, stdout, stderr, state } = prod(t, ...line.split(' '))
    t.equal(code, 64, line)
    t.match(stderr, fault, line)
    t.notMatch(stderr, /\n {4}at /, 'no stack')
    t.equal(stdout, '', line)
    t.notOk(existsSync(state), `${line} has created nothing`)
  }
  t.equal(prod(t).code, 64)
})

t.test('up checks the settings that it stores', async (t) => {
  for (const [settings, fault] of [
    [{ OBSERVABILITY: 'yes' }, 'OBSERVABILITY is on or off, not yes'],
    [{ TRACES: 'on' }, 'TRACES is a share of requests from 0 to 1, not on'],
    [{ TRACES: '5' }, 'TRACES is a share of requests from 0 to 1, not 5'],
    [{ TRACES: '0.05.1' }, 'TRACES is a share of requests from 0 to 1, not 0.05.1'],
    [{ TRACES: '' }, 'TRACES is a share of requests from 0 to 1, not '],
  ] as const) {
    const { code, stderr } = prodWith(t, settings, 'up')
    t.equal(code, 1)
    t.match(stderr, fault)
  }
})

t.test('--help lists the commands', async (t) => {
  for (const line of [['--help'], ['-h']]) {
    const { code, stdout } = prod(t, ...line)
    t.equal(code, 0)
    for (const command of [
      'up',
      'down',
      'status',
      'logs',
      'scale',
      'deploy',
      'failover',
      'token',
      'backup',
      'restore',
    ])
      t.match(stdout, new RegExp(`^ {2}${command}\\b`, 'm'))
  }
})

t.test('without a production each command names the one that creates it', async (t) => {
  for (const line of [
    ['down'],
    ['status'],
    ['logs'],
    ['scale', '3'],
    ['deploy'],
    ['failover'],
    ['backup'],
    ['restore'],
  ]) {
    const { code, stderr } = prod(t, ...line)
    t.equal(code, 1)
    t.match(stderr, /^There is no production in .*: pnpm prod up creates one\n$/)
  }
})

t.test('a token is shown once, and only its hash is stored', async (t) => {
  const { code, stdout, state } = prod(t, 'token', 'alice', 'write')
  t.equal(code, 0)
  t.match(stdout, /^[\w-]{43}\n$/)
  const kept = readFileSync(join(state, 'auth_tokens'), 'utf8')
  t.match(kept, /(^|,)alice:[0-9a-f]{64}:write$/)
  t.notOk(kept.includes(stdout.trim()))
  t.equal(statSync(state).mode & 0o777, 0o700, 'only the owner can read the folder')
  // Readable for the users of the containers, and not writable.
  for (const name of ['postgres_password', 'reference_api_password', 'database_owner_url', 'auth_tokens'])
    t.equal(statSync(join(state, name)).mode & 0o777, 0o444, name)
  const login = (name: string) => new URL(readFileSync(join(state, name), 'utf8')).username
  for (const name of ['database_url', 'database_direct_url', 'database_replica_url'])
    t.equal(login(name), 'reference_api', `${name} may not change a table`)
  t.equal(login('database_owner_url'), 'reference')
})
