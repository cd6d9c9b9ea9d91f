import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import t, { type Test } from 'tap'
import { OPENAPI_FILES } from '../generate/openapi.ts'
import { apiFaults } from './api.ts'

/** A repository with the documents of this one, and a branch of `main`. */
function repository(t: Test) {
  const folder = join(t.testdir({ repository: {} }), 'repository')
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], {
      cwd: folder,
      stdio: 'ignore',
    })
  git('init', '--initial-branch', 'main')
  for (const file of OPENAPI_FILES) {
    mkdirSync(join(folder, dirname(file)), { recursive: true })
    writeFileSync(join(folder, file), readFileSync(join(REPOSITORY_ROOT, file)))
  }
  const commit = () => {
    git('add', '.')
    git('commit', '--message', 'x', '--allow-empty')
  }
  const edit = (from: string | RegExp, to: string) => {
    for (const file of OPENAPI_FILES) {
      const path = join(folder, file)
      const text = readFileSync(path, 'utf8')
      writeFileSync(path, text.replaceAll(from, to))
    }
  }
  const faults = (environment = {}) => apiFaults(folder, environment)
  commit()
  return { git, commit, edit, faults, folder }
}

t.test('a change that breaks clients fails on a branch, in its later commits too, and on main', async (t) => {
  const { git, commit, edit, faults } = repository(t)
  t.same(faults(), [], 'the first commit has nothing before it')
  edit('"email"', '"mail"')
  t.match(
    faults().join('\n'),
    /openapi\.json: GET \/users.*email was removed[\s\S]*These break clients/,
    'not committed',
  )
  git('checkout', '-b', 'branch')
  commit()
  commit()
  t.ok(faults().length > 0, 'two commits later')
  git('checkout', 'main')
  t.same(faults(), [])
  git('merge', 'branch', '--no-ff')
  t.ok(faults().length > 0, 'the merge')
  commit()
  t.same(faults(), [], 'the commit after it')
})

t.test('a new version of the service permits it', async (t) => {
  const { edit, faults } = repository(t)
  edit('"email"', '"mail"')
  edit(/"version": "[\d.]+"/g, '"version": "9.0.0"')
  t.same(faults(), [])
})

t.test('a shallow clone is a fault, and no pass', async (t) => {
  const { git, folder, commit } = repository(t)
  commit()
  const shallow = join(dirname(folder), 'clone')
  git('clone', '--depth', '1', `file://${folder}`, shallow)
  t.match(apiFaults(shallow, {}), [/fetch-depth/])
})

t.test('API_BASE names another commit to compare with', async (t) => {
  const { git, commit, edit, faults } = repository(t)
  git('tag', 'v1')
  edit('"email"', '"mail"')
  commit()
  commit()
  t.same(faults(), [])
  t.ok(faults({ API_BASE: 'v1' }).length > 0)
  t.match(faults({ API_BASE: 'v0' }), [/no commit v0/])
})
