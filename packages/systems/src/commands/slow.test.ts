import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { closedPort } from '../fixtures/ports.ts'

function run(command: string, args: string[], env: Record<string, string> = {}) {
  const file = fileURLToPath(new URL(`./${command}.ts`, import.meta.url))
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(
      process.execPath,
      [file, ...args],
      { env: { PATH: process.env.PATH, ...env } },
      (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    )
  })
}

// What they show of a real MySQL is in tests/systems. No MongoDB was at hand: this holds how it fails, not what it shows.
for (const [command, setting, scheme] of [
  ['mysql-slow', 'MYSQL_URL', 'mysql'],
  ['mongodb-slow', 'MONGODB_URL', 'mongodb'],
] as const) {
  t.test(`${command} explains itself, and says what is wrong with a call`, async (t) => {
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
