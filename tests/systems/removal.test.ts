import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { copyRepository } from '../testing/repository-copy.ts'

// Compiling everything takes 10 s, and several times that on a busy machine.
t.setTimeout(300_000)

t.test('packages/systems can be removed, and the rest compiles and starts', async (t) => {
  const copy = copyRepository(t.testdir({}))
  const removal = await copy.run('node', ['packages/systems/src/commands/remove.ts'])
  t.equal(removal.code, 0, 'it is removed', { output: removal.output })

  for (const path of ['packages/systems', 'tests/systems', 'infra/vault'])
    t.notOk(existsSync(join(copy.folder, path)))
  const left = await copy.run('grep', [
    ...['-rlE', '@reference/systems|createSystems|withVaultSecrets', '--include=*.ts', '--include=*.json'],
    ...['--exclude-dir=node_modules', 'packages', 'services', 'tools', 'bench', 'tests', 'infra'],
  ])
  t.same(left, { code: 1, output: '' }, 'nothing names it any more')

  const types = await copy.script('check', 'types')
  t.equal(types.code, 0, 'the rest compiles', { output: types.output })

  for (const [name, main] of [
    ['ops', 'tools/ops/main.ts'],
    ['db:migrate', 'services/reference-api/src/commands/migrate.ts'],
  ] as const) {
    const help = await copy.run('node', [main, '--help'])
    t.match(help, { code: 0, output: `pnpm ${name} ` })
  }
  const start = await copy.run('env', ['PORT=none', 'node', 'services/parallel-api/src/main.ts'])
  t.match(
    start,
    { code: 78, output: /DATABASE_URL/ },
    'a service loads all its modules and reads its settings',
  )
  t.notMatch(start.output, /Cannot find/)
})
