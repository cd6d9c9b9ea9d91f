import { execFile, execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { REPOSITORY_ROOT } from '@reference/cli'
import t from 'tap'

const run = promisify(execFile)

// Compiling everything takes 10 s, and several times that on a busy machine.
t.setTimeout(300_000)

t.test('packages/systems can be removed, and the rest compiles and starts', async (t) => {
  const copy = t.testdir({})
  copyRepository(copy)
  await run(process.execPath, ['packages/systems/src/commands/remove.ts'], { cwd: copy })

  for (const path of ['packages/systems', 'tests/systems', 'infra/vault'])
    t.notOk(existsSync(join(copy, path)))
  const left = await run(
    'grep',
    [
      ...['-rlE', '@reference/systems|createSystems|withVaultSecrets', '--include=*.ts', '--include=*.json'],
      ...['--exclude-dir=node_modules', 'packages', 'services', 'tools', 'bench', 'tests', 'infra'],
    ],
    { cwd: copy },
  ).catch(({ code, stdout }) => ({ code, stdout }))
  t.equal(left.stdout, '', 'nothing names it any more')

  const types = await run(process.execPath, ['node_modules/typescript/bin/tsc', '--noEmit'], {
    cwd: copy,
  }).catch(({ stdout }) => ({ stdout }))
  t.equal(types.stdout, '', 'the rest compiles')

  for (const main of ['tools/ops/main.ts', 'services/reference-api/src/commands/migrate.ts']) {
    const { stdout } = await run(process.execPath, [main, '--help'], { cwd: copy })
    t.match(stdout, /^pnpm (ops|db:migrate) /)
  }
  const start = await run(process.execPath, ['services/parallel-api/src/main.ts'], {
    cwd: copy,
    env: { PATH: process.env.PATH, PORT: 'none' },
  }).catch(({ code, stderr }) => ({ code, stderr }))
  t.match(
    start,
    { code: 78, stderr: /DATABASE_URL/ },
    'a service loads all its modules and reads its settings',
  )
  t.notMatch(start.stderr, /Cannot find/)
})

/** Copies the tracked files and links to their dependencies, which pnpm keeps by relative links between the packages. */
function copyRepository(to: string): void {
  const options = { cwd: REPOSITORY_ROOT, encoding: 'utf8' } as const
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], options)
  for (const file of files.trim().split('\n')) {
    const from = join(REPOSITORY_ROOT, file)
    if (!existsSync(from)) continue
    mkdirSync(dirname(join(to, file)), { recursive: true })
    cpSync(from, join(to, file))
  }
  const modules = join(REPOSITORY_ROOT, 'node_modules')
  mkdirSync(join(to, 'node_modules'))
  for (const name of readdirSync(modules)) {
    if (name !== '@reference') symlinkSync(join(modules, name), join(to, 'node_modules', name))
  }
  for (const folder of [
    '',
    ...folders('packages'),
    ...folders('services'),
    'bench',
    'infra',
    'tests',
    'tools',
  ]) {
    const path = join(folder, 'node_modules', ...(folder === '' ? ['@reference'] : []))
    if (!existsSync(join(REPOSITORY_ROOT, path)) || !existsSync(join(to, folder))) continue
    cpSync(join(REPOSITORY_ROOT, path), join(to, path), { recursive: true, verbatimSymlinks: true })
  }
}

function folders(group: string): string[] {
  return readdirSync(join(REPOSITORY_ROOT, group)).map((name) => join(group, name))
}
