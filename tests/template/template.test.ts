import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY_ROOT } from '@reference/cli'
import { hasPart, PARTS, Tree } from '@reference/tools/template'
import t, { type Test } from 'tap'
import { linkDependencies, programsOf, type RepositoryCopy } from '../testing/repository-copy.ts'
import { cloneRepository, commit, git, linkScope } from './clone.ts'

/**
 * The parts that are removed from a clone each, whose checks and tests then run: TEMPLATE_PARTS=all or a list of names. CI removes one,
 * together with a rename, and runs the checks.
 */
const CHOSEN = process.env.TEMPLATE_PARTS
const PRESENT = PARTS.filter((part) => hasPart(new Tree(REPOSITORY_ROOT), part)).map(({ name }) => name)
const EACH = CHOSEN === 'all' ? PRESENT : (CHOSEN?.split(/[\s,]+/) ?? [])
const isTemplate =
  existsSync(join(REPOSITORY_ROOT, 'node_modules/@reference')) || nameOf('tools').startsWith('@reference/')

const skipLong = (!isTemplate && 'renamed already') || (CHOSEN === undefined && 'set TEMPLATE_PARTS')

t.setTimeout(CHOSEN === undefined ? 300_000 : 14_400_000)

function nameOf(folder: string, root = REPOSITORY_ROOT): string {
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')).name
}

const RENAME = [
  '@acme',
  '--service',
  'reference-api=shop-api',
  '--service',
  'parallel-api=reports-api',
  '--database',
  'shop',
]

async function succeeds(t: Test, clone: RepositoryCopy, name: string, ...args: string[]): Promise<string> {
  const { code, output } = await clone.script(name, ...args)
  t.equal(code, 0, `pnpm ${[name, ...args].join(' ')}`, { output })
  return output
}

t.test(
  'a clone with other names and without a part passes pnpm check',
  { skip: !isTemplate && 'renamed already' },
  async (t) => {
    const clone = await cloneRepository(t)
    await succeeds(t, clone, 'template', 'rename', ...RENAME)
    linkScope(clone, '@acme')
    await succeeds(t, clone, 'template', 'remove', 'mongodb')
    await succeeds(t, clone, 'generate')
    await succeeds(t, clone, 'check')
    t.equal(nameOf('services/shop-api', clone.folder), '@acme/shop-api')
    t.notOk(existsSync(join(clone.folder, 'services/reference-api')))
    await commit(clone, 'Rename')
    const left = await clone.run('git', [
      'grep',
      '-nE',
      '@reference/|reference-api',
      '--',
      '*.json',
      '*.yml',
      '*.yaml',
      '*.conf',
    ])
    t.match(left, { code: 1, output: '' }, 'no manifest has the old names')
    const again = await clone.script('template', 'rename', '@other')
    t.match(again, { code: 1, output: /renamed once/ })
    const start = await clone.run('env', ['PORT=none', 'node', 'services/shop-api/src/main.ts'])
    t.match(start, { code: 78, output: /DATABASE_URL/ }, 'a service loads its modules and reads its settings')
  },
)

t.test('the list counts what a removal does', async (t) => {
  const clone = await cloneRepository(t)
  const list = await succeeds(t, clone, 'template', 'list')
  const [name = ''] = PRESENT
  const [, files, changed] = new RegExp(`^${name} +(\\d+) +(\\d+) +(\\d+) `, 'm').exec(list) ?? []
  await succeeds(t, clone, 'template', 'remove', name)
  const status = await git(clone, 'status', '--porcelain')
  const count = (kind: RegExp) => status.split('\n').filter((line) => kind.test(line)).length
  t.same([count(/^ D/), count(/^ M/)], [Number(files), Number(changed)], list)
})

t.test('a part that was removed by hand is found by pnpm check names', async (t) => {
  const clone = await cloneRepository(t)
  const [first = ''] = PARTS.find(({ name }) => name === PRESENT[0])?.paths ?? []
  await git(clone, 'rm', '-r', '--quiet', '--', first)
  const { code, output } = await clone.script('check', 'names')
  t.equal(code, 1)
  t.match(output, /names the part|does not exist|is missing/)
  t.match(output, /^FAIL names/m)
  // The command removes the rest.
  await succeeds(t, clone, 'template', 'remove', PRESENT[0] ?? '')
  await succeeds(t, clone, 'check', 'names')
})

t.test(
  'a later version of the template is merged under the names of the clone',
  { skip: skipLong },
  async (t) => {
    const upstream = await cloneRepository(t)
    const team = programsOf(join(upstream.folder, '../team'))
    await git(upstream, 'clone', '--quiet', '.', team.folder)
    linkDependencies(team.folder)
    await makeOwn(t, team)
    await commit(team, 'Rename')
    await git(team, 'branch', 'template')
    await git(team, 'remote', 'add', 'upstream', upstream.folder)
    change(team, 'services/shop-api/src/introduction.ts', /title: '.*'/, "title: 'Our shop'")
    await commit(team, 'Our own change')

    change(upstream, 'services/reference-api/src/introduction.ts', /description: `?/, '$&Later. ')
    change(upstream, 'infra/kubernetes/base/reference-api.yaml', /^/, '# Of the later reference-api.\n')
    await commit(upstream, 'Later version')

    await git(team, 'fetch', '--quiet', 'upstream')
    const vendor = programsOf(join(upstream.folder, '../template'))
    await git(team, 'worktree', 'add', '--quiet', vendor.folder, 'template')
    await git(vendor, 'rm', '-r', '--quiet', '.')
    await git(vendor, 'checkout', 'upstream/main', '--', '.')
    linkDependencies(vendor.folder)
    await makeOwn(t, vendor)
    await commit(vendor, 'Take the template of today')
    const files = await git(vendor, 'show', '--stat', '--format=')
    t.match(files, / [2-4] files changed/, 'the branch has the changes of the template alone')
    await git(team, 'merge', '--quiet', '--no-edit', 'template')

    const introduction = readFileSync(join(team.folder, 'services/shop-api/src/introduction.ts'), 'utf8')
    t.match(introduction, "title: 'Our shop'")
    t.match(introduction, 'Later. ')
    t.match(
      readFileSync(join(team.folder, 'infra/kubernetes/base/shop-api.yaml'), 'utf8'),
      /^# Of the later shop-api\.$/m,
    )
  },
)

/** The commands of a team after each checkout of the template. */
async function makeOwn(t: Test, clone: RepositoryCopy): Promise<void> {
  await succeeds(t, clone, 'template', 'rename', ...RENAME)
  linkScope(clone, '@acme')
  await succeeds(t, clone, 'template', 'remove', 'vault')
  await succeeds(t, clone, 'generate')
}

function change({ folder }: RepositoryCopy, path: string, found: RegExp, replacement: string): void {
  const text = readFileSync(join(folder, path), 'utf8')
  const changed = text.replace(found, replacement)
  if (changed === text) throw new Error(`${path} contains nothing like ${found}`)
  writeFileSync(join(folder, path), changed)
}

for (const removed of [...EACH.map((name) => [name]), ...(CHOSEN === 'all' ? [PRESENT] : [])]) {
  t.test(`without ${removed.join(', ')} the checks and tests pass`, async (t) => {
    const clone = await cloneRepository(t)
    await succeeds(t, clone, 'template', 'remove', ...removed)
    await succeeds(t, clone, 'generate')
    await succeeds(t, clone, 'check')
    await commit(clone, 'Remove')
    const output = await succeeds(t, clone, 'test')
    t.match(output, /^[1-9]\d* passed, 0 failed$/m)
  })
}
