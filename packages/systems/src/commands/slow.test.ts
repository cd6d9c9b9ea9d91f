import { runFile, withPath } from '@reference/cli/testing'
import { closedPort } from '@reference/probes/testing'
import t from 'tap'

function run(command: string, args: string[], env: Record<string, string> = {}) {
  return runFile(new URL(`./${command}.ts`, import.meta.url), args, withPath(env))
}

// The output of a real MySQL is tested in tests/systems.
// There was no real MongoDB: this tests its failures, not its output.
for (const [command, setting, scheme] of [
  ['mysql-slow', 'MYSQL_URL', 'mysql'],
  ['mongodb-slow', 'MONGODB_URL', 'mongodb'],
] as const) {
  t.test(`${command} prints help, and names a wrong argument or setting`, async (t) => {
    const env = { [setting]: `${scheme}://app@127.0.0.1:${await closedPort()}/shop` }
    t.match(await run(command, ['--help']), {
      code: 0,
      stdout: new RegExp(`^pnpm ops ${command.replace('-', ' ')}`),
    })
    t.match(await run(command, ['--fast'], env), { code: 64, stderr: /--fast/ })
    t.match(await run(command, ['--limit', '0'], env), { code: 64, stderr: /--limit/ })
    t.match(await run(command, []), { code: 78, stderr: new RegExp(`^${setting} must be set`) })
    t.match(await run(command, [], { [setting]: 'http://x' }), { code: 78, stderr: new RegExp(setting) })
    t.match(await run(command, [], env), { code: 1, stderr: /ECONNREFUSED/ })
  })
}
